"""Correction invoices: what was missing on an issued one, taxed as that was."""

import datetime as dt
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.errors import Conflict, NotFound
from billing.models import ManualItem, Workspace
from billing.services.tax_rates import add_tax_rate
from invoices.models import Invoice
from invoices.pdf import render_invoice
from invoices.services import manual_items, manual_lines
from invoices.services.closing import finalize_due_periods
from invoices.services.ledger import close_differences
from invoices.services.manual_items import OneOff, request_one_off
from invoices.services.manual_lines import ManualLine
from tests.kit.api import ApiClient
from tests.kit.personas import make_period, make_workspace
from tests.kit.staff import finance_client, press
from tests.kit.taxes import make_customer, register
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
NOVEMBER_9 = dt.datetime(2026, 11, 9, 12, tzinfo=dt.UTC)


@pytest.fixture
def acme() -> Workspace:
    register()
    return make_customer()


def billed(acme: Workspace) -> Invoice:
    make_period(acme, OCTOBER_5)
    make_usage(acme, OCTOBER_5, "1", "10.28")
    assert finalize_due_periods(now=NOVEMBER_3).failed == []
    return Invoice.objects.get(workspace=acme)


def correct(invoice: Invoice, net: str = "100.00", **more: object) -> OneOff:
    return request_one_off(
        workspace_id=invoice.workspace_id,
        lines=[ManualLine("charge", "Ten numbers that were forgotten", Decimal(net))],
        reason="Ticket 12",
        asked_by="ann@finance.test",
        corrects=invoice.pk,
        now=NOVEMBER_9,
        **more,  # type: ignore[arg-type]
    )


def test_it_names_what_it_corrects_and_is_taxed_by_its_day(acme: Workspace) -> None:
    original = billed(acme)
    # From November on another rate holds; what was missing was supplied in October.
    add_tax_rate(country="DE", percent=Decimal(25), starts_on=dt.date(2026, 11, 1))
    made = correct(original).invoice
    assert made is not None
    assert (made.kind, made.corrects, made.billing_period) == ("correction", original, None)
    assert (made.net, made.tax, made.amount) == (Decimal(100), Decimal(19), Decimal(119))
    assert made.number == "INV-2026-000002"
    assert made.label == f"Correction of {original.number}"
    assert render_invoice(made).startswith(b"%PDF")
    assert close_differences() == []


def test_the_same_request_again_is_the_same_invoice(acme: Workspace) -> None:
    original = billed(acme)
    first = correct(original, idempotency_key="ticket 12")
    again = correct(original, idempotency_key="ticket 12")
    assert first.invoice is not None
    assert again.invoice is not None
    assert (again.invoice.pk, again.is_new) == (first.invoice.pk, False)
    with pytest.raises(manual_lines.KeyReused):
        correct(original, "99.00", idempotency_key="ticket 12")


def test_a_large_one_waits_for_a_second_person(acme: Workspace) -> None:
    made = correct(billed(acme), "500.01")
    assert made.invoice is None
    manual_items.approve(item_id=made.items[0].pk, by="bob@finance.test", now=NOVEMBER_9)
    assert Invoice.objects.get(kind="correction").net == Decimal("500.01")


def test_what_cannot_be_corrected_is_said(acme: Workspace) -> None:
    original = billed(acme)
    correction = correct(original).invoice
    assert correction is not None
    with pytest.raises(Conflict, match="corrects another"):
        correct(correction)
    Invoice.objects.filter(pk=original.pk).update(
        status="void", voided_at=NOVEMBER_9, void_reason="x"
    )
    with pytest.raises(Conflict, match="is void"):
        correct(original)
    other = make_workspace("Globex", currency="EUR")
    with pytest.raises(NotFound):
        request_one_off(
            workspace_id=other.pk,
            lines=[ManualLine("charge", "x", Decimal(1))],
            reason="x",
            asked_by="ann",
            corrects=original.pk,
            now=NOVEMBER_9,
        )
    with pytest.raises(IntegrityError, match="only_an_invoice_of_its_own"), transaction.atomic():
        ManualItem.objects.create(
            workspace=acme,
            kind="charge",
            description="x",
            net=1,
            reason="x",
            asked_by="x",
            corrects_invoice_id=original.pk,
        )


def test_over_the_api_and_from_the_invoices_page(acme: Workspace) -> None:
    original = billed(acme)
    body = {
        "items": [{"kind": "charge", "description": "Forgotten", "net": "10.00"}],
        "reason": "Ticket 13",
        "corrects_id": str(original.pk),
    }
    answer = ApiClient("billing:write").post(f"workspaces/{acme.pk}/one-off-invoices/", body)
    invoice = answer.json()["invoice"]
    assert (answer.status_code, invoice["kind"], invoice["corrects_id"]) == (
        201,
        "correction",
        str(original.pk),
    )
    client = finance_client()
    for _ in range(2):
        press(
            client,
            "invoices_invoice",
            "correct",
            original.pk,
            amount="20.00",
            description="Forgotten too",
            tax_class="standard",
            reason="Ticket 14",
            key="a-click",
        )
    assert Invoice.objects.filter(kind="correction").count() == 2
