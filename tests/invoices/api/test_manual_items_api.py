"""Lines by hand and one-off invoices over HTTP."""

import pytest

from invoices.models import Invoice
from tests.kit.api import ApiClient
from tests.kit.personas import make_period, make_workspace

pytestmark = pytest.mark.django_db
CREDIT = {"kind": "credit", "description": "Goodwill", "net": "20.00", "reason": "Ticket 4711"}


@pytest.fixture
def acme():
    workspace = make_workspace()
    make_period(workspace)
    return workspace


def test_twenty_are_given_back_once(acme):
    caller = ApiClient("billing:write", "billing:read")
    path = f"workspaces/{acme.pk}/manual-items/"

    first = caller.post(path, CREDIT, headers={"Idempotency-Key": "k1"})
    again = caller.post(path, CREDIT, headers={"Idempotency-Key": "k1"})

    assert (first.status_code, again.status_code) == (201, 200)
    item = first.json()
    assert again.json() == item
    assert (item["net"], item["status"], item["month"]) == ("20.00", "approved", None)
    assert item["asked_by"].startswith("service key ")
    assert caller.get(path).json()["results"] == [item]
    assert caller.get(f"{path}{item['id']}/").json() == item
    other = caller.post(path, CREDIT | {"net": "21.00"}, headers={"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    cancelled = caller.post(f"{path}{item['id']}/cancel/", {"reason": "A mistake"})
    assert cancelled.json()["status"] == "cancelled"


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"net": "0"}, "/net", "too_small"),
        ({"net": "1.005"}, "/net", "not_in_charge_steps"),
        ({"net": "NaN"}, "/net", "invalid_decimal"),
        ({"kind": "gift"}, "/kind", "invalid_choice"),
        ({"description": ""}, "/description", "blank"),
        ({"month": "2026-11-02"}, "/month", "not_the_first_of_a_month"),
        ({"month": "2020-01-01"}, "/month", "in_the_past"),
        ({"tax_class": "books"}, "/tax_class", "unknown_tax_class"),
        ({"amount": "1"}, "/amount", "unknown_field"),
    ],
)
def test_what_is_wrong_is_named(acme, changes, pointer, code):
    caller = ApiClient("billing:write")

    answer = caller.post(f"workspaces/{acme.pk}/manual-items/", CREDIT | changes)

    assert answer.status_code == 400
    assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [(pointer, code)]
    assert not acme.manual_items.exists()


def test_a_large_item_is_approved_by_another(acme):
    path = f"workspaces/{acme.pk}/manual-items/"
    asking, approving = ApiClient("billing:write"), ApiClient("billing:write")
    item = asking.post(path, CREDIT | {"kind": "charge", "net": "900"}).json()
    assert item["status"] == "waiting"

    refused = asking.post(f"{path}{item['id']}/approve/", b"")
    assert (refused.status_code, refused.json()["code"]) == (409, "second_person_needed")
    assert approving.post(f"{path}{item['id']}/approve/", b"").json()["status"] == "approved"


def test_an_invoice_of_its_own_is_issued(acme):
    caller = ApiClient("billing:write", "billing:read")
    body = {
        "items": [{"kind": "charge", "description": "Set-up fee", "net": "250.00"}],
        "reason": "Contract",
    }

    answer = caller.post(f"workspaces/{acme.pk}/one-off-invoices/", body)

    assert answer.status_code == 201
    invoice = answer.json()["invoice"]
    assert (invoice["kind"], invoice["billing_period_id"]) == ("one_off", None)
    assert (invoice["net"], invoice["tax"], invoice["amount"]) == ("250.00", "0.00", "250.00")
    assert invoice["items"][0]["manual_item_id"] == answer.json()["items"][0]["id"]
    assert caller.get(f"invoices/{invoice['id']}/pdf/").content.startswith(b"%PDF")
    bad = caller.post(
        f"workspaces/{acme.pk}/one-off-invoices/",
        {"items": [body["items"][0], {"kind": "charge", "description": "x", "net": "0.001"}]}
        | {"reason": "r"},
    )
    assert [e["pointer"] for e in bad.json()["errors"]] == ["/items/1/net"]
    assert Invoice.objects.count() == 1


def test_another_workspaces_items_are_not_there(acme):
    globex = make_workspace("Globex")
    caller = ApiClient("billing:write", workspace_id=globex.pk)
    assert caller.post(f"workspaces/{acme.pk}/manual-items/", CREDIT).status_code == 404
    assert caller.post(f"workspaces/{acme.pk}/one-off-invoices/", {}).status_code == 404
