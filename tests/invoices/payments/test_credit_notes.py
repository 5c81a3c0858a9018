"""Credit notes: what they take, and where the money goes."""

from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction

from billing.errors import Invalid, SecondPersonNeeded
from billing.models import Email, SubscriptionTier, TierPrice, Workspace
from invoices.models import CreditNote, Invoice, InvoiceItem
from invoices.payments.services.credit_notes import (
    CreditTooLarge,
    NotCreditable,
    approve_credit_note,
    creditable,
    discard_credit_note,
    issue_credit_note,
)
from invoices.payments.services.ledger.settlements import settlement_differences
from invoices.payments.services.settle.credit import credit_balance
from invoices.pdf import render_credit_note
from invoices.services.manual_items import request_one_off
from invoices.services.manual_lines import ManualLine
from tests.kit.api import ApiClient
from tests.kit.credit_notes import NOVEMBER_5, draft_note, issue_note
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace
from tests.kit.staff import finance_client, page_after, press
from tests.kit.taxes import make_customer, register
from usage.services.ledger import Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Workspace:
    return make_workspace("Acme")


def state(invoice: Invoice) -> tuple[str, Decimal]:
    stored = Invoice.objects.get(pk=invoice.pk)
    return stored.status, stored.amount_open


def test_what_is_open_is_lowered_first_under_a_number_of_its_own(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    note = issue_note(invoice)
    assert (note.number, note.status, note.to_open) == ("INV-CN-2026-000001", "issued", 20)
    assert state(invoice) == ("open", Decimal("41.34"))
    assert [line.net for line in note.items.all()] == [Decimal("15.98"), Decimal("4.02")]
    told = Email.objects.get(kind="invoice_credit_note")
    assert "$20.00 less is to be paid." in told.text
    assert told.attachments.get().filename == "INV-CN-2026-000001.pdf"
    assert issue_note(invoice, "41.34").number == "INV-CN-2026-000002"
    assert state(invoice) == ("paid", Decimal(0))
    assert list(settlement_differences(Scope())) == []


def test_what_was_paid_becomes_credit_when_so_chosen(acme: Workspace) -> None:
    invoice = make_invoice(acme, status="paid")
    assert issue_note(invoice).to_credit == Decimal("20.00")
    assert credit_balance(acme.pk, "USD") == Decimal("20.00")
    assert state(invoice) == ("paid", Decimal(0))


def test_no_more_than_a_line_or_the_invoice_holds(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    fee = invoice.items.get(kind="subscription")
    issue_note(invoice, items={fee.pk: Decimal("49.00")})
    for facts in ({"items": {fee.pk: Decimal("0.01")}}, {"total": "12.35"}):
        with pytest.raises(CreditTooLarge):
            draft_note(invoice, **facts)  # type: ignore[arg-type]
    with pytest.raises(IntegrityError, match="no_more_of_a_line"), transaction.atomic():
        InvoiceItem.objects.filter(pk=fee.pk).update(net_credited=Decimal("49.01"))
    invoice.refresh_from_db()
    assert creditable(invoice) == Decimal("12.34")


def one_off(*lines: tuple[str, str, str], currency: str = "EUR") -> Invoice:
    """What a customer at home, who pays 19 % tax, is billed by hand: (kind, net, tax class)."""
    register()
    starter = SubscriptionTier.objects.get(name="starter")
    TierPrice.objects.get_or_create(tier=starter, currency=currency, defaults={"fee": "15"})
    customer = make_customer(currency=currency)
    invoice = request_one_off(
        workspace_id=customer.pk,
        lines=[
            ManualLine(kind, "By hand", Decimal(net), tax_class) for kind, net, tax_class in lines
        ],
        reason="Ticket 4711",
        asked_by="ann@finance.test",
        now=NOVEMBER_2,
    ).invoice
    assert invoice is not None
    Invoice.objects.update(status="open")
    invoice.refresh_from_db()
    return invoice


def test_a_credit_at_another_rate_lowers_what_may_be_given_back() -> None:
    """100.00 and its tax of 19.00, less 50.00 that are exempt, are 69.00."""
    invoice = one_off(("charge", "100.00", "standard"), ("credit", "50.00", "exempt"))
    assert invoice.amount == Decimal("69.00")
    charge = invoice.items.get(amount=100)
    for facts in ({"total": "69.01"}, {"items": {charge.pk: Decimal("50.01")}}):
        with pytest.raises(CreditTooLarge):
            draft_note(invoice, **facts)  # type: ignore[arg-type]
    first, second = (draft_note(invoice, items={charge.pk: Decimal("30.00")}) for _ in range(2))
    for note in (first, second):
        approve_credit_note(credit_note_id=note.pk, by="fiona", now=NOVEMBER_5)
    issue_credit_note(credit_note_id=first.pk, by="fiona", now=NOVEMBER_5)
    with pytest.raises(CreditTooLarge):
        issue_credit_note(credit_note_id=second.pk, by="fiona", now=NOVEMBER_5)
    note = issue_note(invoice, items={charge.pk: Decimal("20.00")})
    assert (note.net, note.tax) == (Decimal("20.00"), Decimal("3.80"))


def test_of_an_invoice_that_gives_tax_back_no_more_is_credited_than_was_billed() -> None:
    """200.00 that are exempt, less 100.00 and their tax of 19.00, are 81.00."""
    invoice = one_off(("charge", "200.00", "exempt"), ("credit", "100.00", "standard"))
    assert (invoice.net, invoice.tax, invoice.amount) == (100, -19, 81)
    with pytest.raises(CreditTooLarge):
        draft_note(invoice, "81.01")
    note = issue_note(invoice, "81.00")
    assert (note.net, note.tax) == (81, 0)
    assert state(invoice) == ("paid", Decimal(0))


@pytest.mark.parametrize(
    ("asked", "tax"), [({"items": "1.010"}, "0.190"), ({"total": "1.010"}, "0.160")]
)
def test_a_note_goes_in_the_steps_that_a_card_takes(asked: dict[str, str], tax: str) -> None:
    """19 % of 1.010 dinars are 0.1919, and 1.010 of 11.900 have 0.1613 of tax in them."""
    invoice = one_off(("charge", "10.000", "standard"), currency="KWD")
    if "items" in asked:
        note = draft_note(invoice, items={invoice.items.get().pk: Decimal(asked["items"])})
    else:
        note = draft_note(invoice, asked["total"])
    assert note.tax == Decimal(tax)
    assert note.total % Decimal("0.010") == 0


def test_two_drafts_over_the_same_money_issue_once(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    first, second = draft_note(invoice, "40.00"), draft_note(invoice, "40.00")
    for note in (first, second):
        approve_credit_note(credit_note_id=note.pk, by="fiona", now=NOVEMBER_5)
    issue_credit_note(credit_note_id=first.pk, by="fiona", now=NOVEMBER_5)
    with pytest.raises(CreditTooLarge):
        issue_credit_note(credit_note_id=second.pk, by="fiona", now=NOVEMBER_5)
    second.refresh_from_db()
    assert (second.status, second.number) == ("approved", None)


def test_transitions_repeat_as_nothing_and_go_one_way(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    note = draft_note(invoice)
    with pytest.raises(NotCreditable, match="approved before"):
        issue_credit_note(credit_note_id=note.pk, by="fiona", now=NOVEMBER_5)
    discard_credit_note(credit_note_id=note.pk, now=NOVEMBER_5)
    with pytest.raises(NotCreditable):
        approve_credit_note(credit_note_id=note.pk, by="fiona", now=NOVEMBER_5)
    issued = issue_note(invoice)
    again = issue_credit_note(credit_note_id=issued.pk, by="fiona", now=NOVEMBER_5)
    assert again.number == issued.number
    with pytest.raises(NotCreditable):
        discard_credit_note(credit_note_id=issued.pk, now=NOVEMBER_5)


def test_so_much_needs_a_second_person(acme: Workspace, settings) -> None:
    settings.SECOND_PERSON_ABOVE = 10
    note = draft_note(make_invoice(acme))
    with pytest.raises(SecondPersonNeeded):
        approve_credit_note(credit_note_id=note.pk, by="fiona@platform.test", now=NOVEMBER_5)
    approve_credit_note(credit_note_id=note.pk, by="frank@platform.test", now=NOVEMBER_5)


@pytest.mark.parametrize(
    "facts",
    [
        {"total": "0"},
        {"total": "-1"},
        {"total": "NaN"},
        {"total": "1.005"},
        {"rest_to": "elsewhere"},
    ],
)
def test_what_is_no_credit_is_refused(acme: Workspace, facts: dict) -> None:
    with pytest.raises(Invalid):
        draft_note(make_invoice(acme), **facts)
    assert not CreditNote.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_two_clicks_at_once_are_one_note() -> None:
    invoice = make_invoice(make_workspace("Acme"))
    gate = Barrier(4)

    def click() -> None:
        try:
            gate.wait()
            issue_note(invoice, key="one dialog")
        finally:
            connection.close()

    threads = [Thread(target=click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert CreditNote.objects.count() == 1
    assert state(invoice) == ("open", Decimal("41.34"))


def test_finance_gives_twenty_back_from_the_invoices_page() -> None:
    client, invoice = finance_client(), make_invoice(make_workspace(), status="paid")
    fields = {
        "amount": "20.00",
        "line": "",
        "reason": "goodwill",
        "explanation": "Sorry",
        "rest_to": "credit",
        "key": "once",
    }
    for _ in range(2):
        response = press(client, "invoices_invoice", "give_back", invoice.pk, **fields)
    note = CreditNote.objects.get()
    shown = page_after(client, response)
    assert f"{note.number} is issued: $20.00 to the customer&#x27;s credit." in shown
    pdf = client.get(f"/admin/invoices/creditnote/{note.pk}/pdf/")
    assert pdf.content.startswith(b"%PDF-")


def test_of_a_note_that_cannot_be_issued_no_draft_is_left() -> None:
    """No payment came through Stripe, so that nothing can be refunded there."""
    client, invoice = finance_client(), make_invoice(make_workspace(), status="paid")
    fields = {"amount": "20.00", "line": "", "reason": "goodwill", "explanation": "Sorry"}
    press(
        client, "invoices_invoice", "give_back", invoice.pk, **fields, rest_to="refund", key="once"
    )
    assert not CreditNote.objects.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"items": ["2.00", ""]},
        {"items": ["1.00", "1.00"]},
        {"explanation": "Echo"},
        {"reason": "goodwill"},
        {"rest_to": "out_of_band"},
    ],
)
def test_a_key_names_one_note_only(acme: Workspace, changes: dict) -> None:
    invoice = make_invoice(acme)
    lines = list(invoice.items.order_by("position"))

    def body(items: list[str], **facts: str) -> dict:
        given = [
            {"item_id": str(line.pk), "net": net}
            for line, net in zip(lines, items, strict=True)
            if net
        ]
        told = {"reason": "quality", "explanation": "Noise", "rest_to": "credit", **facts}
        return {"idempotency_key": "ticket 12", "items": given, **told}

    finance, path = ApiClient("billing:write"), f"invoices/{invoice.pk}/credit-notes/"
    assert finance.post(path, body(["1.00", ""])).status_code == 201
    assert finance.post(path, body(["1.00", ""])).status_code == 200
    other = finance.post(path, body(**{"items": ["1.00", ""], **changes}))
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


def test_a_line_that_is_named_twice_is_refused(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    line = {"item_id": str(invoice.items.first().pk), "net": "1.00"}
    answer = ApiClient("billing:write").post(
        f"invoices/{invoice.pk}/credit-notes/",
        {
            "idempotency_key": "ticket 12",
            "items": [line, {**line, "net": "2.00"}],
            "reason": "quality",
            "explanation": "Noise",
            "rest_to": "credit",
        },
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "repeated_line")
    assert not CreditNote.objects.exists()


def test_services_issue_it_over_the_api_once(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    finance = ApiClient("billing:write", "billing:read")
    body = {
        "idempotency_key": "ticket 12",
        "amount": "20.00",
        "reason": "quality",
        "explanation": "Noise",
        "rest_to": "credit",
    }
    path = f"invoices/{invoice.pk}/credit-notes/"
    first, again = finance.post(path, body), finance.post(path, body)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert first.json()["to_open"] == "20.00"
    other = finance.post(path, {**body, "amount": "21"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert len(finance.get(path).json()["results"]) == 1
    others = ApiClient("billing:write", workspace_id=make_workspace("Globex").pk)
    assert others.post(path, body).status_code == 404


def test_the_paper_is_the_same_each_time(acme: Workspace) -> None:
    note = issue_note(make_invoice(acme))
    stored = CreditNote.objects.get(pk=note.pk)
    assert render_credit_note(stored) == render_credit_note(stored)
