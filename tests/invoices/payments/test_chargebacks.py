"""Chargebacks: followed whatever order Stripe tells of them in, answered once with our evidence."""

import datetime as dt
from decimal import Decimal
from pathlib import Path

import pytest
from django.urls import reverse
from pytest_django import Settings

from billing.errors import SecondPersonNeeded
from billing.models import Email, Workspace
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.models import Chargeback, ChargebackEvidence
from invoices.payments.services import stripe_client
from invoices.payments.services.chargebacks import (
    NotAnswerable,
    NothingToDecide,
    confirm_decision,
    decide_chargeback,
    evidence_for,
)
from invoices.payments.services.collection import allowed_actions, mark_invoice_uncollectible
from invoices.payments.services.ledger.payments import payment_differences
from invoices.payments.services.receiving import pay_in_full
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.second_person import NothingAwaited
from invoices.payments.services.statement_paper import render_statement
from invoices.payments.services.statements import statement
from tests.kit.api import ApiClient
from tests.kit.chargebacks import (
    FILES,
    NOVEMBER_5,
    NOVEMBER_14,
    charged_back,
    in_the_sandbox,
    send,
    submit,
    uploaded,
)
from tests.kit.e_invoices import closed_october
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.papers import words_of
from tests.kit.personas import make_member, make_workspace, member_client
from tests.kit.staff import finance_client, press
from tests.kit.taxes import make_customer, register
from usage.services.ledger import Scope

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme(settings: Settings) -> Workspace:
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    return make_workspace("Acme")


def test_finance_is_told_with_the_deadline_and_once(acme: Workspace) -> None:
    invoice = make_invoice(acme, status="paid")
    for _ in range(2):
        charged_back(invoice)
    told = Email.objects.get(subject__contains="charged back")
    assert "answer by 14 November 2026" in told.subject


def test_an_end_is_an_end_whatever_comes_after_it(acme: Workspace) -> None:
    invoice = make_invoice(acme, status="paid")
    charged_back(invoice)
    lost = charged_back(invoice, "lost")
    assert lost.closed_at == NOVEMBER_5
    assert charged_back(invoice, "needs_response").status == "lost"
    assert Email.objects.filter(subject__endswith="is lost").count() == 1
    # The invoice stays paid: what is lost is lost beside it.
    assert Invoice.objects.get(pk=invoice.pk).status == "paid"
    with pytest.raises(NotAnswerable):
        submit(lost)


@pytest.mark.parametrize(
    ("status", "moves"),
    [
        ("needs_response", ["Payment charged back, Stripe"]),
        ("won", ["Payment charged back, Stripe", "Chargeback won, payment is back"]),
        ("lost", ["Payment charged back, Stripe", "Chargeback lost"]),
        ("warning_closed", []),
    ],
)
def test_the_statement_says_what_the_bank_took(
    acme: Workspace, status: str, moves: list[str]
) -> None:
    charged_back(make_invoice(acme, status="draft"), status)
    made = statement(acme, first=dt.date(2026, 11, 1), last=dt.date(2026, 11, 30))
    assert [line.text for line in made.lines] == ["Invoice", *moves]
    # 61.34 are asked for; as much again is missing while the bank has it.
    held = Decimal("61.34") if len(moves) == 1 else 0
    assert (made.closing, made.charged_back) == (Decimal("61.34") + held, held)


def test_statement_and_finance_say_the_same_of_what_the_bank_holds(acme: Workspace) -> None:
    chargeback = charged_back(make_invoice(acme, status="paid"))
    asked = reverse("payments:statement", args=[acme.pk])
    customer = reverse("finance:customer", args=[acme.pk])
    owner = member_client(acme)

    page = owner.get(asked).content.decode()
    assert "$61.34 of this is a payment that the bank has taken back. It is not asked for" in page
    finance = finance_client()
    page = finance.get(customer).content.decode()
    assert "Charged back: $61.34, which the customer's statement has as owed." in page
    made = statement(acme, first=dt.date(2026, 11, 1), last=dt.date(2026, 11, 30))
    assert "until the bank has decided" in words_of(render_statement(made))

    charged_back(chargeback.invoice, "won")
    assert "taken back" not in owner.get(asked).content.decode()
    assert "Charged back" not in finance.get(customer).content.decode()


def test_evidence_is_of_our_rows(acme: Workspace) -> None:
    make_member(acme)
    invoice = make_invoice(acme, status="paid")
    said = evidence_for(charged_back(invoice))
    assert said["customer_name"] == "Acme"
    assert invoice.number in said["uncategorized_text"]
    assert "Monthly Subscription" in said["uncategorized_text"]
    assert all(len(text) <= 20_000 for text in said.values())


def test_evidence_adds_up_to_the_invoice_its_tax_included() -> None:
    register()
    invoice = closed_october(make_customer())
    said = evidence_for(charged_back(invoice))["uncategorized_text"]
    # 61.34 of usage and fee, and 19 % of it.
    assert "€72.99:" in said
    assert "- VAT 19% on €61.34: €11.65" in said


def test_too_late_is_too_late(acme: Workspace) -> None:
    known = charged_back(make_invoice(acme, status="paid"))
    with pytest.raises(NotAnswerable):
        submit(known, NOVEMBER_14)


def test_it_is_sent_once_as_it_was_seen(acme: Workspace, stripe_sandbox: SandboxProcess) -> None:
    known = in_the_sandbox(acme, stripe_sandbox)
    submit(known)
    submit(known)
    assert send(known) == "done"
    assert send(known) == "done"
    found = stripe_client.get(DEFAULT, f"/v1/disputes/{known.stripe_id}")
    assert found["status"] == "under_review"
    assert found["evidence"]["uncategorized_text"].startswith("We spoke on the phone.")
    assert found["evidence"]["customer_name"] == "Acme"
    number = known.invoice.number
    assert [name.rpartition("-")[0] for name in uploaded(known)] == [
        f"{number}-invoice",
        f"{number}-use-of-the-service",
    ]
    assert known.invoice.events.filter(detail="Evidence sent to Stripe.").count() == 1


def test_finance_sends_it_from_its_page(acme: Workspace) -> None:
    invoice = make_invoice(acme, status="paid")
    known = charged_back(invoice, due_by=dt.datetime(2100, 1, 1, tzinfo=dt.UTC))
    client = finance_client()
    assert "chargeback to answer by" in client.get("/admin/").content.decode()
    page = client.get(f"/admin/payments/chargeback/{known.pk}/change/").content.decode()
    assert "Uncategorized text" in page
    press(client, "payments_chargeback", "send", known.pk, words="We spoke.")
    assert ChargebackEvidence.objects.get().asked_by == "fay@finance.test"
    assert known.amount == Decimal(invoice.amount)


def test_its_files_are_read_before_they_are_sent_and_kept_as_they_were(
    acme: Workspace, settings: Settings, tmp_path: Path
) -> None:
    member = make_member(acme)
    (tmp_path / "terms.pdf").write_bytes(b"%PDF-1.7 our terms")
    settings.TERMS_DIRECTORY = str(tmp_path)
    known = charged_back(
        make_invoice(acme, status="paid"), due_by=dt.datetime(2100, 1, 1, tzinfo=dt.UTC)
    )
    member.last_login = NOVEMBER_2
    member.save()
    client = finance_client()
    page = f"/admin/payments/chargeback/{known.pk}/files"
    paper = words_of(client.get(f"{page}/service_documentation/").content)
    assert f"{member.email} (owner) signed in last at 2026-11-02" in paper
    assert known.stripe_id in paper
    submit(known)
    (tmp_path / "terms.pdf").write_bytes(b"%PDF-1.7 other terms")
    assert client.get(f"{page}/cancellation_policy/").content == b"%PDF-1.7 our terms"
    assert client.get(f"{page}/other/").status_code == 404


def test_terms_that_are_no_pdf_are_left_out(
    acme: Workspace, settings: Settings, tmp_path: Path
) -> None:
    settings.TERMS_DIRECTORY = str(tmp_path)
    (tmp_path / "terms.pdf").write_text("Our terms")
    sent = submit(charged_back(make_invoice(acme, status="paid")))
    assert {file.field for file in sent.files.all()} == FILES


def decide(chargeback: Chargeback, decision: str = "ask_again", by: str = "fay") -> Chargeback:
    return decide_chargeback(
        chargeback_id=chargeback.pk,
        decision=decision,
        reason="It was their own card.",
        by=by,
        now=NOVEMBER_14,
    )


def test_a_lost_one_is_asked_for_again_and_paid_another_way(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    known = in_the_sandbox(acme, stripe_sandbox)
    with pytest.raises(NothingToDecide):
        decide(known)
    lost = charged_back(known.invoice, "lost", stripe_id=known.stripe_id)
    for _ in range(2):
        assert decide(lost).asked_again == Decimal("61.34")
    invoice = Invoice.objects.get(pk=lost.invoice_id)
    assert (invoice.status, invoice.amount_open) == ("open", Decimal("61.34"))
    assert "$61.34 is to be paid again" in Email.objects.get(kind="invoice_open_again").text
    made = statement(acme, first=dt.date(2026, 11, 1), last=dt.date(2026, 11, 30))
    assert "Chargeback asked for again" in [line.text for line in made.lines]
    assert made.closing == Decimal("61.34")
    assert reconcile(now=NOVEMBER_14) == []
    assert list(payment_differences(Scope())) == []
    assert allowed_actions(invoice) == {"mark_uncollectible"}
    mark_invoice_uncollectible(invoice_id=invoice.pk, actor=None, reason="Gone", now=NOVEMBER_14)
    invoice.refresh_from_db()
    assert invoice.status == "uncollectible"
    assert reconcile(now=NOVEMBER_14) == []
    pay_in_full(
        invoice_id=invoice.pk,
        way="bank_transfer",
        received_on=NOVEMBER_14.date(),
        reference="SEPA 9",
        reason="Transfer",
        recorded_by="fay",
        key="",
        now=NOVEMBER_14,
    )
    invoice.refresh_from_db()
    assert (invoice.status, invoice.reported_payments.count()) == ("paid", 0)
    assert reconcile(now=NOVEMBER_14) == []
    assert list(payment_differences(Scope())) == []


def test_a_loss_is_written_off_and_then_decided(acme: Workspace) -> None:
    invoice = make_invoice(acme, status="paid")
    lost = charged_back(invoice, "lost")
    client = finance_client()
    assert "lost chargeback to decide on" in client.get("/admin/").content.decode()
    response = press(
        client,
        "payments_chargeback",
        "decide",
        lost.pk,
        decision="write_off",
        reason="Not worth it",
    )
    assert response.status_code in (200, 302)
    lost.refresh_from_db()
    assert (lost.decision, lost.decided_by) == ("write_off", "fay@finance.test")
    assert Invoice.objects.get(pk=invoice.pk).status == "paid"
    with pytest.raises(NothingToDecide):
        decide(lost)


def test_a_large_loss_is_decided_on_by_two_people(acme: Workspace, settings: Settings) -> None:
    settings.SECOND_PERSON_ABOVE = 10
    lost = charged_back(make_invoice(acme, status="paid"), "lost")
    for _ in range(2):
        assert decide(lost, "write_off").decision == ""
    with pytest.raises(SecondPersonNeeded):
        confirm_decision(chargeback_id=lost.pk, by="fay", now=NOVEMBER_14)
    client = finance_client()
    assert "decision on a lost chargeback waits" in client.get("/admin/").content.decode()
    page = client.get(f"/admin/payments/chargeback/{lost.pk}/change/").content.decode()
    assert "Written off, asked for by fay: It was their own card." in page
    press(client, "payments_chargeback", "confirm", lost.pk)
    lost.refresh_from_db()
    assert (lost.decision, lost.decided_by) == ("write_off", "fay@finance.test")
    assert lost.decision_reason == "It was their own card."
    with pytest.raises(NothingAwaited):
        confirm_decision(chargeback_id=lost.pk, by="finn", now=NOVEMBER_14)
    told = [event.detail for event in lost.invoice.events.filter(source="fay")]
    assert told == ["Writing off what was charged back is asked for: It was their own card."]


def test_who_decides_otherwise_asks_anew(acme: Workspace, settings: Settings) -> None:
    settings.SECOND_PERSON_ABOVE = 10
    lost = charged_back(make_invoice(acme, status="paid"), "lost")
    decide(lost, "write_off", by="fay")
    decide(lost, "ask_again", by="finn")
    assert lost.awaited.asked_by == "finn"
    assert decide(lost, "ask_again", by="fay").decision == "ask_again"
    assert Invoice.objects.get(pk=lost.invoice_id).amount_open == lost.amount


def test_services_read_and_decide(acme: Workspace) -> None:
    lost = charged_back(make_invoice(acme, status="paid"), "lost")
    api = ApiClient()
    (listed,) = api.get(f"workspaces/{acme.pk}/chargebacks/").json()["results"]
    assert (listed["status"], listed["decision"], listed["awaited"]) == ("lost", "", None)
    asked = {"decision": "write_off", "reason": "Not worth it"}
    for _ in range(2):
        decided = api.post(f"chargebacks/{lost.pk}/decide/", asked)
        assert decided.status_code == 200
        assert decided.json()["decision"] == "write_off"
    other = {"decision": "ask_again", "reason": "It is"}
    refused = api.post(f"chargebacks/{lost.pk}/decide/", other)
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing_to_decide")
    assert api.post(f"chargebacks/{lost.pk}/decide/", {"decision": "lose"}).status_code == 400
