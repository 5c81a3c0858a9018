"""Syncs that stop and need a person, or Stripe, to go on."""

import datetime as dt

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from billing.errors import NotFound
from billing.models import Email, Workspace
from billing.services import work
from billing.services.workspaces import update_workspace
from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.models import StripeSync, StripeSyncStep
from invoices.payments.services import stripe_client
from invoices.payments.services.stripe_sync import (
    SYNCS,
    SyncResult,
    retry_sync,
    sync_invoice,
)
from invoices.signals import invoices_issued
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import make_workspace
from tests.kit.stripe_side import customers, invoices

pytestmark = pytest.mark.django_db

A_MINUTE_LATER = NOVEMBER_2 + dt.timedelta(minutes=1)


@pytest.fixture
def acme(db: None, stripe_sandbox: SandboxProcess, settings: Settings) -> Workspace:
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    return make_workspace("Acme")


@pytest.fixture
def invoice(acme: Workspace) -> Invoice:
    return make_invoice(acme, status="draft", collection_method="send_invoice")


def sync(invoice: Invoice, now: dt.datetime = NOVEMBER_2) -> SyncResult:
    return sync_invoice(invoice_id=invoice.pk, now=now)


def stop_before(kind: str, invoice: Invoice, sandbox: SandboxProcess) -> None:
    """Sync up to a step that Stripe does not answer."""
    path = {"compare": r"/v1/invoices/in_\w+$", "finalize": r"/finalize$", "item": "invoiceitems"}
    sandbox.inject("drop_before", path=path[kind])
    assert sync(invoice).status == StripeSync.Status.WAITING


def spoil_the_total(invoice: Invoice, sandbox: SandboxProcess) -> SyncResult:
    """Add a cent to the draft that the sync made, and let the sync compare."""
    stop_before("compare", invoice, sandbox)
    (draft,) = invoices()
    stripe_client.post(
        DEFAULT,
        "/v1/invoiceitems",
        {"customer": draft["customer"], "invoice": draft["id"], "amount": 1, "currency": "usd"},
    )
    return sync(invoice, A_MINUTE_LATER)


def blocked(invoice: Invoice) -> tuple[str, str]:
    stored = StripeSync.objects.get(pk=invoice.pk)
    return stored.status, stored.blocked_reason


def test_a_total_that_differs_is_never_finalized_and_finance_is_told(
    invoice: Invoice, stripe_sandbox: SandboxProcess
) -> None:
    result = spoil_the_total(invoice, stripe_sandbox)
    (draft,) = invoices()
    assert blocked(invoice) == ("blocked", "mismatch")
    assert result.detail == (
        f"Stripe's total of {draft['id']} is 6135 USD, ours is 6134 USD (in minor units)."
    )
    assert invoices()[0]["status"] == "draft"
    mail = Email.objects.get(kind="finance")
    assert mail.recipients == ["finance@platform.test"]
    assert mail.subject == "Invoice INV-2026-000001 is not in Stripe: the total differs"
    assert result.detail in mail.text


def test_retrying_after_a_mismatch_deletes_the_draft_and_builds_another(
    invoice: Invoice, stripe_sandbox: SandboxProcess
) -> None:
    spoil_the_total(invoice, stripe_sandbox)
    (wrong,) = invoices()
    retry_sync(invoice_id=invoice.pk, now=A_MINUTE_LATER)
    assert sync(invoice, A_MINUTE_LATER).done
    (right,) = invoices()
    assert right["id"] != wrong["id"]
    assert (right["total"], right["status"]) == (6134, "open")
    steps = invoice.stripe_sync.steps.filter(build=1).values_list("kind", "status")
    assert ("finalize", "abandoned") in steps
    assert ("draft", "done") in steps


def test_a_draft_edited_after_the_comparison_is_compared_again(
    invoice: Invoice, stripe_sandbox: SandboxProcess
) -> None:
    stop_before("finalize", invoice, stripe_sandbox)
    (draft,) = invoices()
    stripe_client.post(
        DEFAULT,
        "/v1/invoiceitems",
        {"customer": draft["customer"], "invoice": draft["id"], "amount": 1, "currency": "usd"},
    )
    sync(invoice, A_MINUTE_LATER)
    assert blocked(invoice) == ("blocked", "mismatch")


def test_a_draft_deleted_in_stripe_is_built_anew(
    invoice: Invoice, stripe_sandbox: SandboxProcess
) -> None:
    stop_before("finalize", invoice, stripe_sandbox)
    stripe_client.delete(DEFAULT, f"/v1/invoices/{invoices()[0]['id']}")
    assert sync(invoice, A_MINUTE_LATER).done
    assert [(each["total"], each["status"]) for each in invoices()] == [(6134, "open")]


def test_a_customer_deleted_half_way_is_replaced_together_with_the_draft(
    invoice: Invoice, stripe_sandbox: SandboxProcess
) -> None:
    stop_before("item", invoice, stripe_sandbox)
    (first,) = customers()
    stripe_client.delete(DEFAULT, f"/v1/customers/{first['id']}")
    assert sync(invoice, A_MINUTE_LATER).done
    (second,) = customers()
    assert second["id"] != first["id"]
    finalized = [each for each in invoices() if each["status"] == "open"]
    assert [(each["customer"], each["total"]) for each in finalized] == [(second["id"], 6134)]


def test_a_draft_finalized_by_hand_is_taken_over(
    invoice: Invoice, stripe_sandbox: SandboxProcess
) -> None:
    stop_before("finalize", invoice, stripe_sandbox)
    (draft,) = invoices()
    stripe_client.post(DEFAULT, f"/v1/invoices/{draft['id']}/finalize")
    assert sync(invoice, A_MINUTE_LATER).done
    invoice.refresh_from_db()
    assert (invoice.status, invoice.stripe_invoice_id) == ("open", draft["id"])


def test_one_voided_in_stripe_is_blocked_and_replaced_when_retried(
    invoice: Invoice, stripe_sandbox: SandboxProcess
) -> None:
    stop_before("finalize", invoice, stripe_sandbox)
    (draft,) = invoices()
    stripe_client.post(DEFAULT, f"/v1/invoices/{draft['id']}/finalize")
    stripe_client.post(DEFAULT, f"/v1/invoices/{draft['id']}/void")
    sync(invoice, A_MINUTE_LATER)
    assert blocked(invoice) == ("blocked", "changed")
    retry_sync(invoice_id=invoice.pk, now=A_MINUTE_LATER)
    assert sync(invoice, A_MINUTE_LATER).done
    assert sorted(each["status"] for each in invoices()) == ["open", "void"]


def test_what_stripe_refuses_is_blocked_until_it_is_put_right(invoice: Invoice) -> None:
    # A currency that Stripe does not know can only come from a mistake in our data.
    Invoice.objects.filter(pk=invoice.pk).update(currency="X1X")
    sync(invoice)
    assert blocked(invoice) == ("blocked", "refused")
    step = invoice.stripe_sync.steps.get(kind=StripeSyncStep.Kind.DRAFT)
    assert "Invalid currency" in step.last_error
    assert SYNCS.due(now=NOVEMBER_2 + dt.timedelta(days=9)) == []
    Invoice.objects.filter(pk=invoice.pk).update(currency="USD")
    retry_sync(invoice_id=invoice.pk, now=A_MINUTE_LATER)
    assert sync(invoice, A_MINUTE_LATER).done
    step.refresh_from_db()
    assert (step.key_version, step.times_tried, step.params["currency"]) == (2, 2, "usd")


def test_what_stripe_refuses_is_sent_again_when_the_details_change(invoice: Invoice) -> None:
    globex = make_workspace("Globex")
    Invoice.objects.filter(pk=invoice.pk).update(currency="X1X")
    sync(invoice)
    Invoice.objects.filter(pk=invoice.pk).update(currency="USD")

    update_workspace(
        workspace_id=globex.pk, changes={"billing_email": "pay@globex.test"}, now=A_MINUTE_LATER
    )
    assert blocked(invoice) == ("blocked", "refused")
    update_workspace(
        workspace_id=invoice.workspace_id,
        changes={"billing_email": "pay@acme.test"},
        now=A_MINUTE_LATER,
    )
    invoice.stripe_sync.refresh_from_db()
    assert invoice.stripe_sync.status == StripeSync.Status.WAITING
    assert sync(invoice, A_MINUTE_LATER).done


def test_a_wrong_secret_key_blocks_nothing(
    invoice: Invoice, settings: Settings, stripe_sandbox: SandboxProcess
) -> None:
    settings.STRIPE_SECRET_KEY = "sk_test_another00000000000000000"
    result = sync(invoice)
    assert result.status == StripeSync.Status.WAITING
    assert "does not accept the secret key" in result.detail
    settings.STRIPE_SECRET_KEY = stripe_sandbox.key
    assert sync(invoice, NOVEMBER_2 + dt.timedelta(hours=1)).done


def test_waiting_honours_what_stripe_asks_for(
    invoice: Invoice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work.random, "uniform", lambda least, most: most)
    waits = [SYNCS.wait(attempts).total_seconds() for attempts in (1, 2, 3, 9, 30)]
    assert waits == [8, 16, 32, 2048, 3600]
    assert SYNCS.wait(1, at_least=60).total_seconds() == 68


def test_before_its_time_a_waiting_sync_is_left_alone(
    invoice: Invoice, stripe_sandbox: SandboxProcess
) -> None:
    stop_before("item", invoice, stripe_sandbox)
    StripeSync.objects.filter(pk=invoice.pk).update(next_attempt_at=A_MINUTE_LATER)
    stripe_sandbox.clear_requests()
    assert sync(invoice).busy
    assert stripe_sandbox.requests() == []
    assert sync(invoice, A_MINUTE_LATER).done


def test_after_a_day_of_failures_finance_is_told_once(
    invoice: Invoice, stripe_sandbox: SandboxProcess
) -> None:
    stop_before("item", invoice, stripe_sandbox)
    StripeSync.objects.filter(pk=invoice.pk).update(attempts=29)
    stripe_sandbox.inject("drop_before", count=20)
    now = NOVEMBER_2
    for _ in range(3):
        now += dt.timedelta(hours=2)
        sync(invoice, now)
    mail = Email.objects.get(kind="finance")
    assert mail.subject == "Invoice INV-2026-000001 does not get through to Stripe"


def test_only_what_has_stopped_can_be_retried(invoice: Invoice, acme: Workspace) -> None:
    with pytest.raises(NotFound):
        retry_sync(invoice_id=invoice.pk, now=NOVEMBER_2)
    sync(invoice)
    with pytest.raises(work.NothingToRetry):
        retry_sync(invoice_id=invoice.pk, now=NOVEMBER_2)


def test_retrying_starts_the_sync_when_it_has_committed(
    invoice: Invoice,
    stripe_sandbox: SandboxProcess,
    settings: Settings,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    stop_before("item", invoice, stripe_sandbox)
    with django_capture_on_commit_callbacks() as callbacks:
        retry_sync(invoice_id=invoice.pk, now=A_MINUTE_LATER)
    assert len(callbacks) == 1


def test_the_sweep_names_what_was_issued_once(invoice: Invoice, acme: Workspace) -> None:
    # The task that the close starts is lost; the row that it wrote is not.
    invoices_issued.send(Invoice, invoice_ids=[invoice.pk], now=NOVEMBER_2)
    later = NOVEMBER_2 + dt.timedelta(minutes=3)
    assert SYNCS.due(now=later) == [invoice.pk]
    assert SYNCS.due(now=later) == [], "it is in the queue"
    assert SYNCS.due(now=later + dt.timedelta(minutes=31)) == [invoice.pk], "it got lost there"
    sync(invoice, later)
    assert SYNCS.due(now=later + dt.timedelta(days=1)) == []


def test_what_another_process_syncs_is_left_to_it(
    invoice: Invoice, stripe_sandbox: SandboxProcess
) -> None:
    StripeSync.objects.create(invoice=invoice, next_attempt_at=NOVEMBER_2)
    with SYNCS.held(invoice.pk, work.running_clock(NOVEMBER_2)):
        assert sync(invoice).busy
        assert SYNCS.due(now=NOVEMBER_2) == []
    assert stripe_sandbox.requests() == []
    assert sync(invoice).done


def test_who_has_lost_the_lease_writes_nothing_more(invoice: Invoice) -> None:
    StripeSync.objects.create(invoice=invoice, next_attempt_at=NOVEMBER_2)
    too_late = NOVEMBER_2 + work.lease_duration()
    with (
        SYNCS.held(invoice.pk, lambda: NOVEMBER_2) as slow,
        SYNCS.held(invoice.pk, lambda: too_late),
    ):
        with pytest.raises(work.LeaseLost):
            slow.renew(too_late)
        slow.release()
        assert StripeSync.objects.get(pk=invoice.pk).lease_token is not None
