import pytest

from tests.kit.api import ApiClient, problem_of, refusal
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db


@pytest.fixture
def platform() -> ApiClient:
    return ApiClient("workspaces:write", "terms:write")


def test_billing_settings_are_read_and_put(platform):
    acme = make_workspace()
    path = f"workspaces/{acme.pk}/billing-settings/"

    assert platform.get(path).json() == {
        "workspace_id": str(acme.pk),
        "usage_limit_monthly": None,
        "alert_threshold_percentage": "80",
        "auto_pause_on_limit": True,
        "markup_percentage": None,
        "collection_method": "charge_automatically",
        "payment_terms_days": 14,
        "prices_include_tax": False,
        "owners_see": None,
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
        "prices_include_tax": False,
        "owners_see": None,
    }


def test_terms_that_are_left_out_stay(platform):
    acme = make_workspace()
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
    acme = make_workspace()

    refused = platform.put(f"workspaces/{acme.pk}/billing-settings/", {name: value})

    assert refused.status_code == 400
    assert problem_of(refused)["errors"][0]["pointer"] == f"/{name}"


def test_members_are_added_once_and_listed(platform):
    acme = make_workspace()
    path = f"workspaces/{acme.pk}/members/"

    added = platform.post(path, {"email": "Ann@acme.test", "role": "admin"})
    again = platform.post(path, {"email": "ann@ACME.test"})

    assert (added.status_code, again.status_code) == (201, 200)
    assert added.json() == again.json()
    listed = platform.get(path, limit=1).json()
    assert [row["email"] for row in listed["results"]] == ["owner@acme.test"]
    rest = platform.client.get(listed["next"]).json()
    assert [(row["email"], row["role"]) for row in rest["results"]] == [("ann@acme.test", "admin")]
    assert refusal(platform.post(path, {"email": "x", "role": "king"})) == (400, "invalid")


def test_a_member_gets_another_role_and_is_removed(platform):
    acme = make_workspace()
    path = f"workspaces/{acme.pk}/members/"
    ann = platform.post(path, {"email": "ann@acme.test"}).json()
    assert ann["role"] == "viewer"

    posted = platform.post(path, {"email": "ann@acme.test", "role": "admin"})
    assert (posted.status_code, posted.json()) == (200, ann | {"role": "admin"})
    patched = platform.patch(f"{path}{ann['id']}/", {"role": "owner"})
    assert (patched.status_code, patched.json()["role"]) == (200, "owner")

    gone = platform.client.delete(f"/api/v1/{path}{ann['id']}/")
    assert (gone.status_code, gone.content) == (204, b"")
    assert refusal(platform.get(f"{path}{ann['id']}/")) == (404, "not_found")
    assert [row["email"] for row in platform.get(path).json()["results"]] == ["owner@acme.test"]


def test_a_workspace_keeps_an_owner(platform):
    acme = make_workspace()
    path = f"workspaces/{acme.pk}/members/"
    [owner] = platform.get(path).json()["results"]

    demoted = platform.post(path, {"email": "owner@acme.test", "role": "viewer"})
    assert refusal(demoted) == (409, "last_owner")
    removed = platform.client.delete(f"/api/v1/{path}{owner['id']}/")
    assert refusal(removed) == (409, "last_owner")
    assert platform.get(path).json()["results"] == [owner]


def test_a_member_of_another_workspace_does_not_exist(platform):
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    [owner] = platform.get(f"workspaces/{globex.pk}/members/").json()["results"]
    bound = ApiClient(workspace_id=acme.pk)

    for where in (acme.pk, globex.pk):
        path = f"/api/v1/workspaces/{where}/members/{owner['id']}/"
        assert refusal(bound.client.delete(path)) == (404, "not_found")
    assert globex.memberships.count() == 1


def test_terms_need_a_scope_of_their_own():
    acme = make_workspace()
    path = f"workspaces/{acme.pk}/"
    bound = ApiClient("workspaces:write", "billing:read", workspace_id=acme.pk)
    ApiClient().patch(path, {"status": "suspended"})

    for change in ({"status": "active"}, {"tier": "pro"}, {"name": "Acme 2", "tier": "pro"}):
        assert refusal(bound.patch(path, change)) == (403, "missing_scope")
    put = bound.put(f"{path}billing-settings/", {"markup_percentage": "0"})
    assert refusal(put) == (403, "missing_scope")
    stored = bound.get(path).json()
    assert (stored["status"], stored["tier"], stored["name"]) == ("suspended", "starter", "Acme")
    # Sent back as it was read, a term is not changed.
    assert bound.patch(path, stored | {"name": "Acme 2"}).json()["name"] == "Acme 2"

    sales = ApiClient("terms:write", workspace_id=acme.pk)
    assert sales.patch(path, {"status": "active", "tier": "pro"}).json()["tier"] == "pro"
    assert refusal(sales.patch(path, {"name": "Acme 3"})) == (403, "missing_scope")
    assert sales.put(f"{path}billing-settings/", {"markup_percentage": "5"}).status_code == 200


def test_what_a_workspace_is_not_changed_in_is_refused(platform):
    acme = make_workspace()
    path = f"workspaces/{acme.pk}/"

    for name, value in (("owner_email", "x@y.test"), ("id", "x"), ("suspension_reason", "payment")):
        problem = problem_of(platform.patch(path, {name: value}))
        assert problem["errors"] == [
            {"pointer": f"/{name}", "code": "read_only", "detail": "This is not changed here."}
        ]
    other = platform.put(f"{path}billing-settings/", {"workspace_id": "x"})
    assert problem_of(other)["errors"][0]["code"] == "read_only"
