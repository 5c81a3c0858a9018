"""Credit notes that are void: what they took is the invoice's again, their number stays."""

import datetime as dt
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from billing.errors import BillingError, Invalid, SecondPersonNeeded
from billing.models import Email, Workspace
from invoices.models import CreditNote, Invoice
from invoices.payments.services.credit import pay_out_credit
from invoices.payments.services.credit_notes import (
    CannotVoid,
    confirm_void,
    creditable,
    discard_credit_note,
    void_credit_note,
)
from invoices.payments.services.ledger.settlements import settlement_differences
from invoices.payments.services.second_person import NothingAwaited
from invoices.payments.services.settle.credit import credit_balance
from invoices.payments.services.statements import statement
from invoices.services.ledger import invoice_differences
from tests.kit.api import ApiClient
from tests.kit.credit_notes import NOVEMBER_5, draft_note, issue_note
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace
from tests.kit.staff import finance_client, page_after, press
from usage.services.ledger import Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Workspace:
    return make_workspace("Acme")


def void(note: CreditNote, reason: str = "Meant for Globex.") -> CreditNote:
    return void_credit_note(
        credit_note_id=note.pk, reason=reason, by="fiona@platform.test", now=NOVEMBER_5
    )


def pay_out(workspace: Workspace, amount: str) -> None:
    pay_out_credit(
        workspace_id=workspace.pk,
        amount=Decimal(amount),
        on=NOVEMBER_5.date(),
        reference="SEPA 12",
        reason="They asked for it",
        source="fiona",
        now=NOVEMBER_5,
    )


def test_what_it_lowered_is_open_again_and_its_number_stays_used(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    note = issue_note(invoice)
    for _ in range(2):
        void(note)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.amount_open) == ("open", Decimal("61.34"))
    assert creditable(invoice) == Decimal("61.34")
    assert issue_note(invoice).number == "INV-CN-2026-000002"
    assert list(settlement_differences(Scope())) == []
    assert list(invoice_differences(Scope())) == []
    told = Email.objects.get(kind="invoice_credit_note_void")
    assert "$20.00 more is to be paid." in told.text
    assert told.attachments.get().filename == "INV-CN-2026-000001.pdf"
    assert [
        event.detail for event in invoice.events.filter(key__startswith="credit-note-void")
    ] == ["INV-CN-2026-000001 is void: Meant for Globex."]


def test_an_invoice_that_it_had_settled_is_asked_for_again(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    note = issue_note(invoice, "61.34")
    void(note)
    invoice.refresh_from_db()
    assert (invoice.status, invoice.paid_at, invoice.amount_open) == (
        "draft",
        None,
        Decimal("61.34"),
    )


def test_the_statement_has_both_moves(acme: Workspace) -> None:
    invoice = make_invoice(acme)
    void(issue_note(invoice))
    made = statement(acme, first=dt.date(2026, 1, 1), last=dt.date(2026, 12, 31))
    assert [(line.text, line.amount) for line in made.lines][1:] == [
        ("Credit note", Decimal("-20.00")),
        ("Credit note is void", Decimal("20.00")),
    ]
    assert made.closing == Decimal("61.34")


def test_credit_that_is_still_there_is_taken_off_and_no_other(acme: Workspace) -> None:
    kept = issue_note(make_invoice(acme, status="paid"))
    void(kept)
    assert credit_balance(acme.pk, "USD") == 0
    used = issue_note(make_invoice(acme, month=9, status="paid"))
    pay_out(acme, "0.01")
    with pytest.raises(CannotVoid, match=r"only \$19.99 is left"):
        void(used)
    used.refresh_from_db()
    assert used.status == "issued"


def test_what_was_sent_back_or_is_no_longer_asked_for_stays(acme: Workspace) -> None:
    sent = issue_note(make_invoice(acme, status="paid"), rest_to="out_of_band")
    with pytest.raises(CannotVoid, match="for you to send back"):
        void(sent)
    written_off = make_invoice(acme, month=9)
    note = issue_note(written_off)
    Invoice.objects.filter(pk=written_off.pk).update(status="uncollectible")
    with pytest.raises(CannotVoid, match="written off by now"):
        void(note)
    with pytest.raises(CannotVoid, match="discard it"):
        void(draft_note(make_invoice(acme, month=8)))
    with pytest.raises(Invalid):
        void(note, " ")


def test_only_who_says_why_voids_an_issued_one(acme: Workspace) -> None:
    note = issue_note(make_invoice(acme))
    with pytest.raises(IntegrityError, match="who_voids"), transaction.atomic():
        CreditNote.objects.filter(pk=note.pk).update(status="void", voided_at=NOVEMBER_5)
    draft = draft_note(make_invoice(acme, month=9))
    assert discard_credit_note(credit_note_id=draft.pk, now=NOVEMBER_5).status_label == "Discarded"


@pytest.mark.django_db(transaction=True)
def test_credit_is_either_spent_or_void() -> None:
    acme = make_workspace("Acme")
    note = issue_note(make_invoice(acme, status="paid"))
    gate, refused = Barrier(2), []

    def run(action: object) -> None:
        try:
            gate.wait()
            action()  # type: ignore[operator]
        except BillingError as error:
            refused.append(error.code)
        finally:
            connection.close()

    actions = (lambda: void(note), lambda: pay_out(acme, "15.00"))
    threads = [Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    note.refresh_from_db()
    left = credit_balance(acme.pk, "USD")
    assert (note.status, left) in (("void", 0), ("issued", Decimal("5.00")))
    assert len(refused) == 1


def test_finance_voids_it_on_its_page(acme: Workspace) -> None:
    client, note = finance_client(), issue_note(make_invoice(acme))
    response = press(client, "invoices_creditnote", "void", note.pk, reason="Meant for Globex")
    assert "INV-CN-2026-000001 is void; $61.34 of " in page_after(client, response)
    pdf = client.get(f"/admin/invoices/creditnote/{note.pk}/pdf/")
    assert pdf.content.startswith(b"%PDF-")


def test_services_void_it_over_the_api(acme: Workspace) -> None:
    note = issue_note(make_invoice(acme))
    path, body = f"credit-notes/{note.pk}/void/", {"reason": "Meant for Globex"}
    finance = ApiClient("billing:write")
    answers = [finance.post(path, body) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    said = answers[0].json()
    assert (said["status"], said["void_reason"]) == ("void", "Meant for Globex")
    assert finance.post(path, {"reason": ""}).status_code == 400
    others = ApiClient("billing:write", workspace_id=make_workspace("Globex").pk)
    assert others.post(path, body).status_code == 404
    refused = issue_note(make_invoice(acme, month=9, status="paid"), rest_to="out_of_band")
    answer = finance.post(f"credit-notes/{refused.pk}/void/", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "cannot_void")


def test_a_large_one_is_void_once_two_people_say_so(acme: Workspace, settings: Settings) -> None:
    invoice = make_invoice(acme)
    note = issue_note(invoice)
    settings.SECOND_PERSON_ABOVE = 10
    for _ in range(2):
        assert void(note).status == "issued"
    client = finance_client()
    assert "void of a credit note waits" in client.get("/admin/").content.decode()
    assert (
        "asked for by fiona"
        in client.get(f"/admin/invoices/creditnote/{note.pk}/change/").content.decode()
    )
    press(client, "invoices_creditnote", "keep", note.pk)
    with pytest.raises(NothingAwaited):
        confirm_void(credit_note_id=note.pk, by="finn", now=NOVEMBER_5)
    void(note)
    with pytest.raises(SecondPersonNeeded):
        confirm_void(credit_note_id=note.pk, by="fiona@platform.test", now=NOVEMBER_5)
    press(client, "invoices_creditnote", "confirm_void", note.pk)
    note.refresh_from_db()
    assert (note.status, note.voided_by) == ("void", "fay@finance.test")
    assert note.void_reason == "Meant for Globex."


def test_a_key_asks_and_another_agrees(acme: Workspace, settings: Settings) -> None:
    note = issue_note(make_invoice(acme))
    settings.SECOND_PERSON_ABOVE = 10
    first, second = ApiClient(), ApiClient()
    page, asked = f"credit-notes/{note.pk}/void/", {"reason": "Meant for Globex."}
    for _ in range(2):
        answer = first.post(page, asked).json()
        assert answer["status"] == "issued"
        assert answer["void_asked_at"]
    answer = second.post(page, asked).json()
    assert (answer["status"], answer["void_asked_at"]) == ("void", None)
