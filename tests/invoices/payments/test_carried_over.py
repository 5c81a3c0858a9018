"""An invoice below Stripe's least charge is not paid: it is charged with the next one."""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal

import pytest
from pytest_django import DjangoDbBlocker

from billing.models import Email, Workspace
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice, PaymentMethod
from invoices.payments.models import Difference
from invoices.payments.services import collection, settle
from invoices.payments.services.customers import ensure_customer
from invoices.payments.services.reconciliation import reconcile
from invoices.payments.services.stripe_sync import sync_invoice
from invoices.pdf import render_invoice
from tests.invoices.conftest import used_for_module
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.kept import fresh, kept_for_module
from tests.kit.papers import words_of
from tests.kit.personas import make_workspace, member_client
from tests.kit.stripe_side import give_card, invoices

pytestmark = pytest.mark.django_db
DECEMBER_30 = dt.datetime(2026, 12, 30, tzinfo=dt.UTC)


def synced(invoice: Invoice) -> Invoice:
    result = sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    assert result.done, result.detail
    return Invoice.objects.get(pk=invoice.pk)


@pytest.fixture(scope="module")
def made(
    sandbox_process: SandboxProcess, django_db_setup: None, django_db_blocker: DjangoDbBlocker
) -> Iterator[Invoice]:
    with kept_for_module(django_db_blocker), used_for_module(sandbox_process):
        workspace = make_workspace("Acme")
        give_card(ensure_customer(workspace_id=workspace.pk, account=DEFAULT, now=NOVEMBER_2))
        invoice = synced(make_invoice(workspace, status="draft", month=9, amount="0.30"))
        sandbox_process.remember()
        yield invoice


@pytest.fixture
def small(made: Invoice, sandbox_process: SandboxProcess) -> Invoice:
    """September: 0.30, which Stripe does not charge."""
    sandbox_process.recall()
    return fresh(made)


@pytest.fixture
def acme(small: Invoice) -> Workspace:
    """With a card that pays."""
    return fresh(small.workspace)


def test_it_stays_open_and_says_what_is_carried_over(small: Invoice) -> None:
    assert (small.status, small.paid_at, str(small.carried_over)) == ("open", None, "0.300")
    assert invoices()[0]["status"] == "paid"
    event = small.events.get(kind="carried_over")
    assert event.detail == "$0.30 is charged with the next invoice."
    assert Email.objects.get().subject == "Invoice INV-2026-000001 is charged with your next one"
    paper = words_of(render_invoice(small))
    assert "Amount due $0.30 Charged with your next invoice" in paper
    assert "View and pay online" not in paper


def test_nobody_is_reminded_of_it_or_suspended_for_it(small: Invoice, acme: Workspace) -> None:
    collection.collect(now=DECEMBER_30)

    small.refresh_from_db()
    acme.refresh_from_db()
    assert (small.status, acme.status) == ("open", "active")
    assert Email.objects.count() == 1
    assert collection.allowed_actions(small) == frozenset()


def test_the_next_invoice_is_charged_with_it_and_pays_both(small: Invoice, acme: Workspace) -> None:
    october = synced(make_invoice(acme, status="draft"))

    assert (october.status, str(october.carried_in)) == ("paid", "0.300")
    assert invoices()[0]["amount_paid"] == 6164
    small.refresh_from_db()
    assert (small.status, small.paid_at) == ("paid", october.paid_at)
    assert small.events.get(kind="paid").source == "paid with INV-2026-000002"
    paper = words_of(render_invoice(october))
    assert "Total USD $61.34 Earlier, too small to charge $0.30 Paid −$61.64" in paper
    mail = Email.objects.get(subject="Invoice INV-2026-000002 is paid")
    assert "$61.64" in mail.text
    page = member_client(acme).get(f"/w/{acme.pk}/invoices/{october.pk}/").content.decode()
    assert [amount in page for amount in ("$61.34", "$0.30", "$61.64")] == [True] * 3


def test_what_was_charged_with_it_can_be_given_back_too(small: Invoice, acme: Workspace) -> None:
    october = synced(make_invoice(acme, status="draft"))

    settle.note_refund(
        invoice_id=october.pk,
        refund_id="re_1",
        amount=Decimal("61.64"),
        status="succeeded",
        at=DECEMBER_30,
        now=DECEMBER_30,
        source="Stripe",
    )

    october.refresh_from_db()
    assert str(october.amount_refunded) == "61.640"
    assert october.events.get(kind="refund").detail == "$61.64 of $61.64 refunded in all."


def test_two_small_ones_wait_until_they_are_enough(small: Invoice, acme: Workspace) -> None:
    october = synced(make_invoice(acme, status="draft", amount="0.10"))
    assert (october.status, str(october.carried_over)) == ("open", "0.100")

    november = synced(make_invoice(acme, status="draft", month=11, amount="0.20"))

    assert (november.status, str(november.carried_in)) == ("paid", "0.400")
    assert set(Invoice.objects.values_list("status", flat=True)) == {"paid"}


def test_the_comparison_with_stripe_knows_what_is_carried_over(
    small: Invoice, acme: Workspace
) -> None:
    assert reconcile(now=NOVEMBER_2) == []

    Invoice.objects.update(carried_over="0.20")

    assert reconcile(now=NOVEMBER_2) == []
    healed = Difference.objects.get()
    assert (healed.kind, healed.resolved_by) == ("status", "reconciliation")
    small.refresh_from_db()
    assert str(small.carried_over) == "0.300"


def test_the_owner_is_not_asked_to_pay_it(small: Invoice, acme: Workspace) -> None:
    client = member_client(acme)
    PaymentMethod.objects.all().delete()

    listed = client.get(f"/w/{acme.pk}/invoices/").content.decode()
    shown = client.get(f"/w/{acme.pk}/invoices/{small.pk}/").content.decode()

    assert "It is too small to be charged by itself" in listed
    assert "Charged with your next invoice" in shown
    for asked in ("Pay now", "There is no payment method to charge"):
        assert asked not in listed + shown
