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
    note_chargeback,
    send_evidence,
    submit_evidence,
)
from invoices.payments.services.collection import allowed_actions, mark_invoice_uncollectible
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.ledger.payments import payment_differences
from invoices.payments.services.receiving import pay_in_full
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.second_person import NothingAwaited
from invoices.payments.services.statement_paper import render_statement
from invoices.payments.services.statements import statement
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.api import ApiClient
from tests.kit.crashes import Call, killed_at_request
from tests.kit.e_invoices import closed_october
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.papers import words_of
from tests.kit.personas import make_member, make_workspace, member_client
from tests.kit.staff import finance_client, press
from tests.kit.stripe_side import give_card
from tests.kit.taxes import make_customer, register
from usage.services.ledger import Scope

pytestmark = pytest.mark.django_db
NOVEMBER_5 = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)
NOVEMBER_14 = dt.datetime(2026, 11, 14, 12, tzinfo=dt.UTC)
UPDATE = Call("POST", r"/v1/disputes/du_[^/]+$")
FIRST_FILE = Call("POST", r"/v1/files$")
LAST_FILE = Call("POST", r"/v1/files$", skip=1)
FILES = {"receipt", "service_documentation"}


@pytest.fixture
def acme(settings: Settings) -> Workspace:
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    return make_workspace("Acme")


def charged_back(invoice: Invoice, status: str = "needs_response", **facts: object) -> Chargeback:
    known = note_chargeback(
        **{
            "invoice_id": invoice.pk,
            "stripe_id": "du_1",
            "amount": invoice.amount,
            "status": status,
            "reason": "fraudulent",
            "charge_id": "ch_1",
            "due_by": NOVEMBER_14,
            "opened_at": NOVEMBER_5,
            "now": NOVEMBER_5,
            **facts,
        }  # type: ignore[arg-type]
    )
    assert known is not None
    return known


def in_the_sandbox(acme: Workspace, sandbox: SandboxProcess) -> Chargeback:
    """A paid invoice whose charge is disputed in the sandbox."""
    give_card(ensure_customer(workspace_id=acme.pk, account=DEFAULT, now=NOVEMBER_2))
    invoice = make_invoice(acme, status="draft")
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done
    assert reconcile(now=NOVEMBER_2) == []
    charge = next(stripe_client.every(DEFAULT, "/v1/charges"))
    dispute = sandbox.open_dispute(charge["id"])
    return charged_back(invoice, stripe_id=dispute["id"], charge_id=charge["id"])


def send(chargeback: Chargeback, now: dt.datetime = NOVEMBER_5) -> str:
    send_evidence(chargeback_id=chargeback.pk, now=now)
    return ChargebackEvidence.objects.get(pk=chargeback.pk).status


def uploaded(chargeback: Chargeback) -> list[str]:
    """The names of the files in Stripe, each of which its evidence refers to."""
    found = stripe_client.get(DEFAULT, f"/v1/disputes/{chargeback.stripe_id}")
    files = list(stripe_client.every(DEFAULT, "/v1/files"))
    assert {each["id"] for each in files} == {found["evidence"][field] for field in FILES}
    return sorted(each["filename"] for each in files)


def submit(chargeback: Chargeback, now: dt.datetime = NOVEMBER_5) -> ChargebackEvidence:
    return submit_evidence(
        chargeback_id=chargeback.pk, words="We spoke on the phone.", asked_by="fay", now=now
    )


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


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        *((UPDATE, fault) for fault in ("drop_before", "drop_after", "500_before", "500_after")),
        *((UPDATE, fault) for fault in ("saved_500", "429")),
        *((FIRST_FILE, fault) for fault in ("drop_before", "drop_after", "500_after")),
        *((FIRST_FILE, fault) for fault in ("saved_500", "saved_500_after", "429")),
    ],
)
def test_what_fails_is_made_good_and_said_once(
    acme: Workspace, stripe_sandbox: SandboxProcess, call: Call, fault: str
) -> None:
    known = in_the_sandbox(acme, stripe_sandbox)
    submit(known)
    stripe_sandbox.inject(fault, method=call.method, path=call.path)
    assert send(known) == "waiting"
    for hours in (2, 4, 6):
        send(known, NOVEMBER_5 + dt.timedelta(hours=hours))
    assert ChargebackEvidence.objects.get().status == "done"
    found = stripe_client.get(DEFAULT, f"/v1/disputes/{known.stripe_id}")
    assert found["evidence_details"]["submission_count"] == 1
    assert len(uploaded(known)) == len(FILES)


@pytest.mark.parametrize("call", [FIRST_FILE, LAST_FILE, UPDATE], ids=["file", "last file", "text"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_process_killed_at_the_request_is_followed_by_one_that_goes_on(
    acme: Workspace,
    stripe_sandbox: SandboxProcess,
    monkeypatch: pytest.MonkeyPatch,
    when: str,
    call: Call,
) -> None:
    known = in_the_sandbox(acme, stripe_sandbox)
    submit(known)
    with killed_at_request(call, when=when, monkeypatch=monkeypatch):
        send(known)
    assert send(known, NOVEMBER_5 + dt.timedelta(hours=1)) == "done"
    assert len(uploaded(known)) == len(FILES)
    assert stripe_client.get(DEFAULT, f"/v1/disputes/{known.stripe_id}")["status"] == "under_review"


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
