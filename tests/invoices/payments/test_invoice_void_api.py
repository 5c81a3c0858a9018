import datetime as dt
from uuid import uuid4

import pytest

from invoices.models import Invoice
from invoices.payments.models import InvoiceAction
from invoices.payments.services import settle
from tests.kit.api import ApiClient, refusal
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db
WRONG_COMPANY = {"reason": "Billed to the wrong company", "reissue": True}


@pytest.fixture
def acme():
    return make_workspace("Acme")


@pytest.fixture
def finance() -> ApiClient:
    return ApiClient("billing:write")


def void(caller: ApiClient, invoice: Invoice, body: object = WRONG_COMPANY):
    return caller.post(f"invoices/{invoice.pk}/void/", body)


def test_a_void_invoice_is_replaced_by_one_with_a_new_number(acme, finance):
    invoice = make_invoice(acme)

    answer = void(finance, invoice)

    assert answer.status_code == 200
    shown = answer.json()
    replacement = Invoice.objects.get(replaces=invoice)
    assert shown["pending"] is False
    assert shown["invoice"]["status"] == "void"
    assert shown["invoice"]["void_reason"] == "Billed to the wrong company"
    assert shown["invoice"]["replaced_by_id"] == str(replacement.pk)
    assert replacement.number == "INV-2026-000002"


def test_again_changes_nothing(acme, finance):
    invoice = make_invoice(acme)
    first = void(finance, invoice).json()

    assert void(finance, invoice).json() == first
    assert Invoice.objects.count() == 2


def test_its_usage_stays_unbilled_when_so_asked(acme, finance):
    invoice = make_invoice(acme)

    shown = void(finance, invoice, {"reason": "Our own test calls", "reissue": False}).json()

    assert shown["invoice"]["unbilled_reason"] == "Our own test calls"
    assert shown["invoice"]["replaced_by_id"] is None


def test_what_was_voided_in_stripe_takes_the_decision(acme, finance):
    invoice = make_invoice(acme)
    settle.mark_void(invoice_id=invoice.pk, now=NOVEMBER_2 + dt.timedelta(days=1))

    shown = void(finance, invoice).json()

    assert shown["invoice"]["replaced_by_id"] is not None
    assert not InvoiceAction.objects.exists()


def test_one_that_stripe_has_is_void_once_stripe_says_so(acme, finance):
    invoice = make_invoice(acme, stripe_invoice_id="in_1")

    shown = void(finance, invoice).json()

    assert (shown["pending"], shown["invoice"]["status"]) == (True, "open")
    assert void(finance, invoice).json()["code"] == "action_pending"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"reissue": True}, "/reason"),
        ({"reason": "", "reissue": True}, "/reason"),
        ({"reason": "Wrong"}, "/reissue"),
        ({"reason": "Wrong", "reissue": "perhaps"}, "/reissue"),
        ({"reason": "Wrong", "reissue": True, "refund": True}, "/refund"),
    ],
)
def test_it_says_why_and_what_becomes_of_the_usage(acme, finance, body, pointer):
    invoice = make_invoice(acme)

    answer = void(finance, invoice, body)

    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert Invoice.objects.get().status == "open"


def test_a_paid_invoice_is_not_voided(acme, finance):
    invoice = make_invoice(acme)
    settle.mark_paid(invoice_id=invoice.pk, paid_at=NOVEMBER_2, now=NOVEMBER_2)

    assert refusal(void(finance, invoice)) == (409, "not_allowed_now")


def test_only_keys_that_may_write_void_and_only_what_is_theirs(acme):
    invoice = make_invoice(acme)
    globex = make_workspace("Globex")

    assert void(ApiClient("billing:read"), invoice).status_code == 403
    assert void(ApiClient("billing:write", workspace_id=globex.pk), invoice).status_code == 404
    unknown = ApiClient("billing:write").post(f"invoices/{uuid4()}/void/", WRONG_COMPANY)
    assert unknown.status_code == 404
