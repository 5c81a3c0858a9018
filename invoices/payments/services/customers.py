"""The customer that stands for a workspace in a Stripe account: made once, kept up to date,
replaced."""

import datetime as dt
import logging
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.models import Workspace
from billing.services import work
from billing.services.work import Claim, Clock, Lease, WorkKind
from billing.stripe_accounts import AccountName
from invoices.models import PaymentMethod
from invoices.payments.models import StripeCustomer
from invoices.payments.services import lookups, mirror, stripe_client
from invoices.payments.services.refused_details import (
    tell_finance_of_refused_details,
    tell_owners_of_refused_details,
)
from invoices.payments.services.stripe_errors import (
    StripeMissing,
    StripeRefused,
    StripeUnavailable,
)
from invoices.payments.services.stripe_requests import perform
from invoices.payments.services.tax_ids import replace_tax_id

log = logging.getLogger(__name__)
Status = StripeCustomer.Status
DETAILS = WorkKind(
    StripeCustomer,
    task="payments.update_customer",
    first_wait=dt.timedelta(seconds=8),
    longest_wait=dt.timedelta(hours=1),
)


def ensure_customer(*, workspace_id: UUID, account: AccountName, now: dt.datetime) -> str:
    """The id of the workspace's customer in `account`, which exists there; found or made (anew).

    Details that have changed are sent first. Raises `StripeFailure`, and `Busy` while another
    process does the same.
    """
    made, _ = StripeCustomer.objects.get_or_create(
        workspace_id=workspace_id,
        account=account,
        defaults={
            "status": Status.DONE,
            "requested_at": now,
            "next_attempt_at": now,
            "finished_at": now,
        },
    )
    clock = work.running_clock(now)
    with DETAILS.held(made.pk, clock) as lease:
        row = StripeCustomer.with_subjects().get(pk=made.pk)
        if row.stripe_id is not None and not _exists(account, row.stripe_id):
            _forget(row, lease, clock())
        if row.stripe_id is None:
            _make(row, lease, clock)
    if StripeCustomer.objects.filter(pk=made.pk, status=Status.WAITING).exists():
        update_customer(customer=made.pk, now=clock())
    assert row.stripe_id is not None
    return str(row.stripe_id)


def note_details_changed(*, workspace_id: UUID, now: dt.datetime) -> None:
    """Remember, in the caller's transaction, that Stripe's copies are out of date.

    Nothing to do without a customer in Stripe; one that is made is up to date by itself.
    """
    # Locked: one that is being made has its id only when that has committed.
    rows = StripeCustomer.objects.select_for_update().filter(workspace=workspace_id)
    for row in rows.order_by("account"):
        if row.stripe_id is not None:
            DETAILS.reset(row, now, requested_at=now)


def update_customer(*, customer: UUID, now: dt.datetime) -> bool:
    """Send changed details to Stripe, if it is time to; whether Stripe now has them.

    What Stripe refuses is shown to finance and to the owner until the details change. A customer
    that was deleted in Stripe is forgotten, and made anew when the next invoice needs one.
    """
    try:
        with DETAILS.claimed(customer, now) as claim:
            return _send_details(claim)
    except (work.Busy, work.LeaseLost) as error:
        log.info("details of customer %s are left for the sweep: %s", customer, error)
        return False


def note_customer_deleted(*, customer_id: str, account: AccountName, now: dt.datetime) -> bool:
    """Stripe says that this customer is gone; whether it was one of ours."""
    with transaction.atomic():
        row = (
            StripeCustomer.objects.select_for_update(of=("self",))
            .filter(stripe_id=customer_id, account=account)
            .first()
        )
        if row is None:
            return False
        _reset(row, now)
        return True


def customer_params(workspace: Workspace) -> dict[str, Any]:
    """What Stripe is told about a workspace; empty texts clear what was there."""
    return {
        "name": workspace.billing_name or workspace.name,
        "email": workspace.billing_email,
        "description": workspace.name,
        "address": {
            "line1": workspace.address_line1,
            "line2": workspace.address_line2,
            "city": workspace.address_city,
            "state": workspace.address_state,
            "postal_code": workspace.address_postal_code,
            "country": workspace.address_country,
        },
        "metadata": {"workspace_id": str(workspace.pk), "tax_id": workspace.tax_id},
    }


def _make(row: StripeCustomer, lease: Lease, clock: Clock) -> None:
    workspace = row.workspace
    customer = perform(
        row,
        account=row.account,
        lease=lease,
        clock=clock,
        key=f"customer/{workspace.pk}/{row.generation}",
        path="/v1/customers",
        params=lambda: _without_blanks(customer_params(workspace)),
        # By the address that was sent, which need not be today's.
        look_up=lambda: lookups.customer_of(
            row.account, workspace_id=workspace.pk, email=row.params["email"]
        ),
    )
    now = clock()
    with transaction.atomic():
        lease.renew(now)
        workspace.refresh_from_db()
        row.stripe_id = customer["id"]
        row.done_at = now
        row.missing_since = None
        row.save(update_fields=["stripe_id", "done_at", "missing_since"])
        # Stripe checks tax ids, and one that it refuses must not stand in the way of a customer:
        # it goes with the details, afterwards; so does what changed since the request was made.
        if workspace.tax_id or row.params != _without_blanks(customer_params(workspace)):
            note_details_changed(workspace_id=workspace.pk, now=now)
    mirror.keep_customer(row.account, customer, workspace=workspace)


def _exists(account: AccountName, customer_id: str) -> bool:
    try:
        return not stripe_client.get(account, f"/v1/customers/{customer_id}").get("deleted")
    except StripeMissing:
        return False


def _forget(row: StripeCustomer, lease: Lease, now: dt.datetime) -> None:
    log.warning("customer %s of workspace %s is gone", row.stripe_id, row.workspace_id)
    with transaction.atomic():
        lease.renew(now)
        _reset(row, now)


def _reset(row: StripeCustomer, now: dt.datetime) -> None:
    # Its cards are gone with it.
    PaymentMethod.objects.filter(workspace=row.workspace_id, stripe_account=row.account).delete()
    row.stripe_id = None
    row.generation += 1
    row.key_version = 0
    row.idempotency_key = ""
    row.key_used_at = None
    row.key_spent = False
    row.params = {}
    row.times_tried = 0
    row.started_at = None
    row.done_at = None
    row.status = Status.DONE
    row.blocked_reason = ""
    row.finished_at = now
    row.missing_since = now
    row.save(
        update_fields=[
            "stripe_id",
            "generation",
            "key_version",
            "idempotency_key",
            "key_used_at",
            "key_spent",
            "params",
            "times_tried",
            "started_at",
            "done_at",
            "status",
            "blocked_reason",
            "finished_at",
            "missing_since",
        ]
    )


def _send_details(claim: Claim[StripeCustomer]) -> bool:
    """Bring Stripe's copy up to date. A failure is noted: it must not hold up an invoice."""
    row = claim.row
    path = f"/v1/customers/{row.stripe_id}"
    try:
        customer = stripe_client.post(row.account, path, customer_params(row.workspace))
        replace_tax_id(row.account, customer_id=customer["id"], workspace=row.workspace)
    except StripeMissing:
        _forget(row, claim.lease, claim.clock())
        return False
    except StripeUnavailable as error:
        claim.retry_later(error.detail, at_least=error.retry_after)
        return False
    except StripeRefused as error:
        with transaction.atomic():
            claim.block(StripeCustomer.Reason.REFUSED, error.detail)
            tell_finance_of_refused_details(row, now=claim.clock())
            tell_owners_of_refused_details(row, now=claim.clock())
        return False
    claim.done()
    mirror.keep_customer(row.account, customer, workspace=row.workspace)
    return True


def _without_blanks(params: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name: _without_blanks(value) if isinstance(value, dict) else value
        for name, value in params.items()
    }
    return {name: value for name, value in kept.items() if value}
