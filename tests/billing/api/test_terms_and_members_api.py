import pytest

from billing.services.builtins import ensure_builtins
from tests.kit.api import Caller, problem_of, refusal, workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def platform() -> Caller:
    ensure_builtins()
    return Caller("workspaces:write")


def test_billing_settings_are_read_and_put(platform):
    acme = workspace()
    path = f"workspaces/{acme.pk}/billing-settings/"

    assert platform.get(path).json() == {
        "workspace_id": str(acme.pk),
        "usage_limit_monthly": None,
        "alert_threshold_percentage": "80",
        "auto_pause_on_limit": True,
        "markup_percentage": None,
        "collection_method": "charge_automatically",
        "payment_terms_days": 14,
    }
    put = platform.put(
        path,
        b'{"usage_limit_monthly": 500, "alert_threshold_percentage": "75.5",'
        b' "auto_pause_on_limit": false, "markup_percentage": 12.5,'
        b' "collection_method": "send_invoice", "payment_terms_days": 30}',
    )
    assert put.status_code == 200
    assert put.json() == platform.get(path).json()
    assert put.json() == {
        "workspace_id": str(acme.pk),
        "usage_limit_monthly": "500.00",
        "alert_threshold_percentage": "75.5",
        "auto_pause_on_limit": False,
        "markup_percentage": "12.5",
        "collection_method": "send_invoice",
        "payment_terms_days": 30,
    }


def test_terms_that_are_left_out_stay(platform):
    acme = workspace()
    path = f"workspaces/{acme.pk}/billing-settings/"
    platform.put(path, {"usage_limit_monthly": "500.00", "markup_percentage": "10"})

    put = platform.put(path, {"markup_percentage": None}).json()

    assert (put["usage_limit_monthly"], put["markup_percentage"]) == ("500.00", None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("usage_limit_monthly", "-1"),
        ("usage_limit_monthly", "1.00001"),
        ("usage_limit_monthly", "1e15"),
        ("usage_limit_monthly", "NaN"),
        ("usage_limit_monthly", ""),
        ("usage_limit_monthly", {}),
        ("alert_threshold_percentage", "0"),
        ("alert_threshold_percentage", "100.1"),
        ("alert_threshold_percentage", None),
        ("markup_percentage", "-0.1"),
        ("markup_percentage", "1000"),
        ("auto_pause_on_limit", "true"),
        ("auto_pause_on_limit", None),
        ("collection_method", "cash"),
        ("payment_terms_days", -1),
        ("payment_terms_days", 366),
        ("payment_terms_days", "14"),
        ("payment_terms_days", 14.5),
    ],
)
def test_terms_that_make_no_sense_are_refused(platform, name, value):
    acme = workspace()

    refused = platform.put(f"workspaces/{acme.pk}/billing-settings/", {name: value})

    assert refused.status_code == 400
    assert problem_of(refused)["errors"][0]["pointer"] == f"/{name}"


def test_members_are_added_once_and_listed(platform):
    acme = workspace()
    path = f"workspaces/{acme.pk}/members/"

    added = platform.post(path, {"email": "Ann@acme.test", "role": "admin"})
    again = platform.post(path, {"email": "ann@ACME.test", "role": "viewer"})

    assert (added.status_code, again.status_code) == (201, 200)
    assert added.json() == again.json()
    listed = platform.get(path, limit=1).json()
    assert [row["email"] for row in listed["results"]] == ["owner@acme.test"]
    rest = platform.client.get(listed["next"]).json()
    assert [(row["email"], row["role"]) for row in rest["results"]] == [("ann@acme.test", "admin")]
    assert refusal(platform.post(path, {"email": "x", "role": "king"})) == (400, "invalid")
