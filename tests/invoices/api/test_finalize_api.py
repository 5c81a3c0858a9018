import datetime as dt
from uuid import uuid4

import pytest
import time_machine

from invoices.models import Invoice
from tests.kit.api import ApiClient, problem_of, refusal
from tests.kit.personas import make_period, make_workspace
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_1 = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


@pytest.fixture
def acme():
    return make_workspace("Acme")


def finalize(caller: ApiClient, period_id, body=None):
    path = f"billing-periods/{period_id}/finalize/"
    if body is None:
        return caller.client.generic("POST", f"/api/v1/{path}")
    return caller.post(path, body)


@pytest.mark.parametrize("body", [None, {}, {"force": False}])
def test_an_ended_period_is_closed_and_invoiced(acme, body):
    make_usage(acme, OCTOBER_5, "1028", "0.01")
    period = make_period(acme, OCTOBER_5)

    with time_machine.travel(NOVEMBER_1, tick=False):
        answer = finalize(ApiClient("billing:write"), period.pk, body)

    assert answer.status_code == 200
    closed = answer.json()
    invoice = closed.pop("invoice")
    assert closed == {
        "id": str(period.pk),
        "workspace_id": str(acme.pk),
        "period_start": "2026-09-30T22:00:00Z",
        "period_end": "2026-10-31T23:00:00Z",
        "currency": "USD",
        "subtotal": "12.3360000000",
        "subscription_fee": "49.00",
        "add_on_fees": "0.0000000000",
        "discounts": "0.0000000000",
        "commitment_shortfall": "0.0000000000",
        "manual_items": "0.0000000000",
        "credit_brought_forward": "0.0000000000",
        "reversals_credited": "0.0000000000",
        "adjustment": "0.0000000000",
        "total_amount": "61.3360000000",
        "charges": [
            {
                "kind": "subscription",
                "description": "Monthly Subscription",
                "quantity": "1",
                "unit_price": "49.00",
                "first_day": "2026-10-01",
                "last_day": "2026-10-31",
                "days": 31,
                "of_days": 31,
                "amount": "49.0000000000",
            }
        ],
        "status": "finalized",
        "stripe_invoice_id": None,
        "finalized_at": "2026-11-01T12:00:00Z",
        "paid_at": None,
    }
    assert (invoice["amount"], invoice["status"]) == ("61.34", "draft")
    assert [item["amount"] for item in invoice["items"]] == ["49.00", "12.34"]


def test_finalizing_twice_bills_once(acme):
    period = make_period(acme, OCTOBER_5)
    caller = ApiClient("billing:write")

    with time_machine.travel(NOVEMBER_1, tick=False):
        finalize(caller, period.pk)
        again = finalize(caller, period.pk, {"force": True})

    assert refusal(again) == (409, "period_not_current")
    assert Invoice.objects.count() == 1


def test_a_running_period_is_closed_only_by_force(acme):
    period = make_period(acme, OCTOBER_5)
    caller = ApiClient("billing:write")

    with time_machine.travel(OCTOBER_5, tick=False):
        assert refusal(finalize(caller, period.pk, {})) == (409, "period_not_ended")
        assert Invoice.objects.count() == 0
        assert finalize(caller, period.pk, {"force": True}).json()["status"] == "finalized"


def test_a_period_with_nothing_to_bill_has_no_invoice():
    globex = make_workspace("Globex", tier="free")
    period = make_period(globex, OCTOBER_5)

    with time_machine.travel(NOVEMBER_1, tick=False):
        closed = finalize(ApiClient("billing:write"), period.pk).json()

    assert (closed["status"], closed["invoice"]) == ("finalized", None)


@pytest.mark.parametrize("body", [{"force": "yes"}, {"force": 1}, {"Force": True}])
def test_force_is_true_or_false(acme, body):
    refused = finalize(ApiClient("billing:write"), make_period(acme, OCTOBER_5).pk, body)

    assert refused.status_code == 400
    assert problem_of(refused)["errors"][0]["pointer"] == f"/{next(iter(body))}"


def test_another_workspaces_period_cannot_be_closed(acme):
    period = make_period(make_workspace("Globex"), OCTOBER_5)
    bound = ApiClient(workspace_id=acme.pk)

    assert refusal(finalize(bound, period.pk, {"force": True})) == (404, "not_found")
    assert refusal(finalize(ApiClient(), uuid4())) == (404, "not_found")
    period.refresh_from_db()
    assert period.is_current


def test_closing_needs_the_scope_to_write():
    assert refusal(finalize(ApiClient("billing:read"), uuid4())) == (403, "missing_scope")
