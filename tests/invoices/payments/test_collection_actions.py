"""What finance may do about an invoice: asked for here, done in Stripe, taken over from there."""

import datetime as dt
from collections.abc import Iterator
from functools import partial

import pytest
from pytest_django import DjangoDbBlocker

from billing.errors import Invalid
from billing.models import Email, User, Workspace
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.models import InvoiceAction
from invoices.payments.services import collection, settle, stripe_client
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.stripe_sync import sync_invoice
from tests.invoices.conftest import used_for_module
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.kept import fresh, kept_for_module
from tests.kit.personas import make_workspace
from tests.kit.stripe_side import give_card

pytestmark = pytest.mark.django_db

NOVEMBER_5 = dt.datetime(2026, 11, 5, 12, 0, tzinfo=dt.UTC)


@pytest.fixture
def fiona(db: None) -> User:
    return User.objects.create_user("fiona@platform.test", is_staff=True)


@pytest.fixture(scope="module")
def made(
    sandbox_process: SandboxProcess, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Invoice]:
    with kept_for_module(django_db_blocker), used_for_module(sandbox_process):
        globex = make_workspace("Globex")
        give_card(
            ensure_customer(workspace_id=globex.pk, account=DEFAULT, now=NOVEMBER_2),
            "pm_card_chargeCustomerFail",
        )
        invoice = make_invoice(globex, status="draft")
        sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
        settle.note_payment_failure(
            invoice_id=invoice.pk, at=NOVEMBER_2, now=NOVEMBER_2, source="Stripe", key="1"
        )
        sandbox_process.remember()
        yield invoice


@pytest.fixture
def stripe_sandbox(made: Invoice, sandbox_process: SandboxProcess) -> SandboxProcess:
    sandbox_process.recall()
    return sandbox_process


@pytest.fixture
def globex(made: Invoice) -> Workspace:
    """With a card that is declined."""
    return fresh(made.workspace)


@pytest.fixture
def unpaid(made: Invoice, stripe_sandbox: SandboxProcess) -> Invoice:
    """Synced, declined, and its workspace suspended."""
    return fresh(made)


def in_stripe(invoice: Invoice) -> str:
    return str(stripe_client.get(DEFAULT, f"/v1/invoices/{invoice.stripe_invoice_id}")["status"])


def done(action: InvoiceAction, *, now: dt.datetime = NOVEMBER_5) -> InvoiceAction:
    carried_out = collection.carry_out(action_id=action.pk, now=now)
    assert carried_out is not None
    return InvoiceAction.objects.get(pk=carried_out.pk)


def state(invoice: Invoice) -> tuple[str, str]:
    stored = Invoice.objects.select_related("workspace").get(pk=invoice.pk)
    return stored.status, stored.workspace.status


def void(invoice: Invoice, fiona: User, *, reissue: bool = False) -> InvoiceAction:
    return collection.void_invoice(
        invoice_id=invoice.pk,
        actor=fiona,
        reason="Billed to the wrong company",
        reissue=reissue,
        now=NOVEMBER_5,
    )


def test_retrying_with_a_card_that_pays_brings_the_workspace_back(
    unpaid: Invoice, globex: Workspace, fiona: User
) -> None:
    give_card(ensure_customer(workspace_id=globex.pk, account=DEFAULT, now=NOVEMBER_5))
    action = collection.retry_payment(invoice_id=unpaid.pk, actor=fiona, now=NOVEMBER_5)
    assert done(action).status == "done"
    assert state(unpaid) == ("paid", "active")
    assert in_stripe(unpaid) == "paid"
    assert unpaid.events.get(kind="paid").source == "fiona@platform.test: retry the payment"
    assert unpaid.payment_entries.get(kind="payment").amount == unpaid.amount


def test_retrying_with_the_same_card_is_refused_with_stripes_reason(
    unpaid: Invoice, fiona: User
) -> None:
    action = collection.retry_payment(invoice_id=unpaid.pk, actor=fiona, now=NOVEMBER_5)
    refused = done(action)
    assert refused.status == "failed"
    assert "declined" in refused.last_error
    assert state(unpaid) == ("overdue", "suspended")
    assert unpaid.events.filter(kind="payment_failed").count() == 2


def test_voiding_cancels_it_in_both_places(unpaid: Invoice, fiona: User) -> None:
    action = void(unpaid, fiona)
    assert state(unpaid) == ("overdue", "suspended")
    assert done(action).status == "done"
    assert in_stripe(unpaid) == "void"
    assert state(unpaid) == ("void", "active")
    unpaid.refresh_from_db()
    assert unpaid.unbilled_reason == "Billed to the wrong company"
    told = Email.objects.get(kind="invoice_void")
    assert told.recipients == ["owner@globex.test"]
    assert "Nothing is to be paid for it" in told.text
    assert "replaces" not in told.text


def test_voiding_issues_the_same_usage_anew_and_stripe_has_it_too(
    unpaid: Invoice, globex: Workspace, fiona: User
) -> None:
    give_card(ensure_customer(workspace_id=globex.pk, account=DEFAULT, now=NOVEMBER_5))
    assert done(void(unpaid, fiona, reissue=True)).status == "done"
    replacement = Invoice.objects.get(replaces=unpaid)
    assert replacement.number == "INV-2026-000002"
    assert sync_invoice(invoice_id=replacement.pk, now=NOVEMBER_5).done
    assert (in_stripe(unpaid), state(unpaid)[0]) == ("void", "void")
    replacement.refresh_from_db()
    assert (in_stripe(replacement), state(replacement)) == ("paid", ("paid", "active"))
    told = Email.objects.get(kind="invoice_void")
    assert "Invoice INV-2026-000002 replaces it" in told.text
    assert reconcile(now=NOVEMBER_5) == []


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_void_says_why(unpaid: Invoice, fiona: User, reason: str) -> None:
    with pytest.raises(Invalid, match="Say why"):
        collection.void_invoice(
            invoice_id=unpaid.pk, actor=fiona, reason=reason, reissue=True, now=NOVEMBER_5
        )
    assert not InvoiceAction.objects.exists()


def test_writing_off_leaves_the_workspace_suspended(unpaid: Invoice, fiona: User) -> None:
    action = collection.mark_invoice_uncollectible(
        invoice_id=unpaid.pk,
        actor=fiona,
        reason="Insolvent",
        decided_on=NOVEMBER_5.date(),
        reference="Case 12",
        now=NOVEMBER_5,
    )
    assert done(action).status == "done"
    assert in_stripe(unpaid) == "uncollectible"
    assert state(unpaid) == ("uncollectible", "suspended")
    told = unpaid.events.get(kind="uncollectible")
    assert told.detail == "Insolvent, 05 November 2026, Case 12"


@pytest.mark.parametrize("fault", ["drop_before", "drop_after", "500_before", "500_after", "429"])
def test_an_answer_that_is_lost_leaves_it_pending_and_the_sweep_carries_on(
    unpaid: Invoice, fiona: User, stripe_sandbox: SandboxProcess, fault: str
) -> None:
    action = void(unpaid, fiona)
    stripe_sandbox.inject(fault, path="/void$", method="POST")
    waiting = done(action)
    assert (waiting.status, waiting.attempts) == ("waiting", 1)
    assert state(unpaid)[0] == "overdue"
    assert collection.ACTIONS.due(now=NOVEMBER_5) == []
    assert collection.carry_out(action_id=action.pk, now=NOVEMBER_5) is None
    tomorrow = NOVEMBER_5 + dt.timedelta(days=1)
    assert collection.ACTIONS.due(now=tomorrow) == [action.pk]
    assert done(action, now=tomorrow).status == "done"
    assert state(unpaid) == ("void", "active")
    assert in_stripe(unpaid) == "void"


def test_what_has_been_paid_in_stripe_meanwhile_is_not_voided(unpaid: Invoice, fiona: User) -> None:
    action = void(unpaid, fiona)
    stripe_client.post(
        DEFAULT, f"/v1/invoices/{unpaid.stripe_invoice_id}/pay", {"paid_out_of_band": True}
    )
    refused = done(action)
    assert (refused.status, refused.last_error) == ("failed", "Stripe has it as paid now.")
    assert state(unpaid) == ("paid", "active")


def test_without_any_answer_it_is_blocked_and_can_be_tried_again_while_it_is_still_possible(
    unpaid: Invoice, fiona: User, stripe_sandbox: SandboxProcess
) -> None:
    action = void(unpaid, fiona)
    InvoiceAction.objects.filter(pk=action.pk).update(attempts=29)
    stripe_sandbox.inject("drop_before", path="/void$", method="POST")
    blocked = done(action)
    assert (blocked.status, blocked.blocked_reason) == ("blocked", "exhausted")
    collection.try_action_again(action_id=action.pk, now=NOVEMBER_5)
    assert done(action).status == "done"
    assert state(unpaid)[0] == "void"


def test_what_was_paid_meanwhile_is_not_tried_again(unpaid: Invoice, fiona: User) -> None:
    action = void(unpaid, fiona)
    settle.mark_paid(invoice_id=unpaid.pk, paid_at=NOVEMBER_5, now=NOVEMBER_5)
    with pytest.raises(collection.NotAllowedNow) as refused:
        collection.try_action_again(action_id=action.pk, now=NOVEMBER_5)
    assert refused.value.code == "not_allowed_now"


def test_another_action_takes_the_place_of_one_that_is_blocked(
    unpaid: Invoice, fiona: User
) -> None:
    first = collection.mark_invoice_uncollectible(
        invoice_id=unpaid.pk, actor=fiona, reason="Insolvent", now=NOVEMBER_5
    )
    InvoiceAction.objects.filter(pk=first.pk).update(
        status="blocked", blocked_reason="exhausted", last_error="Stripe cannot be reached"
    )
    second = collection.retry_payment(invoice_id=unpaid.pk, actor=fiona, now=NOVEMBER_5)
    first.refresh_from_db()
    assert (first.status, second.status) == ("failed", "waiting")


def test_a_second_action_waits_for_the_first(unpaid: Invoice, fiona: User) -> None:
    void(unpaid, fiona)
    with pytest.raises(collection.ActionPending):
        collection.retry_payment(invoice_id=unpaid.pk, actor=fiona, now=NOVEMBER_5)


def test_a_paid_invoice_takes_no_action(unpaid: Invoice, fiona: User) -> None:
    settle.mark_paid(invoice_id=unpaid.pk, paid_at=NOVEMBER_5, now=NOVEMBER_5)
    for ask in (
        collection.retry_payment,
        partial(collection.void_invoice, reason="Wrong", reissue=True),
        partial(collection.mark_invoice_uncollectible, reason="Insolvent"),
    ):
        with pytest.raises(collection.NotAllowedNow):
            ask(invoice_id=unpaid.pk, actor=fiona, now=NOVEMBER_5)
    assert not InvoiceAction.objects.exists()


def test_an_invoice_that_never_reached_stripe_is_voided_here(
    globex: Workspace, unpaid: Invoice, fiona: User
) -> None:
    invoice = make_invoice(globex, month=9, status="draft")
    action = void(invoice, fiona)
    assert InvoiceAction.objects.get(pk=action.pk).status == "done"
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_5).done
    made = {each["id"] for each in stripe_client.every(DEFAULT, "/v1/invoices")}
    assert made == {unpaid.stripe_invoice_id}
    assert state(invoice)[0] == "void"
