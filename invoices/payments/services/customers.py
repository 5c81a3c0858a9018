"""The customer in Stripe that stands for a workspace: made once, kept up to date, replaced."""

import datetime as dt
import logging
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.models import Workspace
from billing.services import work
from billing.services.work import Claim, Clock, Lease, WorkKind
from invoices.models import PaymentMethod
from invoices.payments.models import StripeCustomer
from invoices.payments.services import lookups, mirror, stripe_client
from invoices.payments.services.refused_details import (
    tell_finance_of_refused_details,
    tell_owners_of_refused_details,
)
from invoices.payments.services.stripe_errors import (
    StripeMissing,
    StripeNotConfigured,
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


def ensure_customer(*, workspace_id: UUID, now: dt.datetime) -> str:
    """The id of the workspace's customer, which exists in Stripe; found, made or made anew.

    Details that have changed are sent first. Raises `StripeFailure`, and `Busy` while another
    process does the same.
    """
    StripeCustomer.objects.get_or_create(
        workspace_id=workspace_id,
        defaults={
            "status": Status.DONE,
            "requested_at": now,
            "next_attempt_at": now,
            "finished_at": now,
        },
    )
    clock = work.running_clock(now)
    with DETAILS.held(workspace_id, clock) as lease:
        account = StripeCustomer.with_subjects().get(pk=workspace_id)
        if account.stripe_id is not None and not _exists(account.stripe_id):
            _forget(account, lease, clock())
        if account.stripe_id is None:
            _make(account, lease, clock)
    if StripeCustomer.objects.filter(pk=workspace_id, status=Status.WAITING).exists():
        update_customer(workspace_id=workspace_id, now=clock())
    assert account.stripe_id is not None
    return account.stripe_id


def note_details_changed(*, workspace_id: UUID, now: dt.datetime) -> None:
    """Remember, in the caller's transaction, that Stripe's copy is out of date.

    Nothing to do without a customer in Stripe; one that is made is up to date by itself.
    """
    # Locked: one that is being made has its id only when that has committed.
    account = StripeCustomer.objects.select_for_update().filter(pk=workspace_id).first()
    if account is not None and account.stripe_id is not None:
        DETAILS.reset(account, now, requested_at=now)


def update_customer(*, workspace_id: UUID, now: dt.datetime) -> bool:
    """Send changed details to Stripe, if it is time to; whether Stripe now has them.

    What Stripe refuses is shown to finance and to the owner until the details change. A customer
    that was deleted in Stripe is forgotten, and made anew when the next invoice needs one.
    """
    try:
        with DETAILS.claimed(workspace_id, now) as claim:
            return _send_details(claim)
    except (work.Busy, work.LeaseLost) as error:
        log.info("details of workspace %s are left for the sweep: %s", workspace_id, error)
        return False


def note_customer_deleted(*, customer_id: str, now: dt.datetime) -> bool:
    """Stripe says that this customer is gone; whether it was one of ours."""
    with transaction.atomic():
        account = (
            StripeCustomer.objects.select_for_update(of=("self",))
            .filter(stripe_id=customer_id)
            .first()
        )
        if account is None:
            return False
        _reset(account, now)
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


def _make(account: StripeCustomer, lease: Lease, clock: Clock) -> None:
    workspace = account.workspace
    customer = perform(
        account,
        lease=lease,
        clock=clock,
        key=f"customer/{workspace.pk}/{account.generation}",
        path="/v1/customers",
        params=lambda: _without_blanks(customer_params(workspace)),
        # By the address that was sent, which need not be today's.
        look_up=lambda: lookups.customer_of(
            workspace_id=workspace.pk, email=account.params["email"]
        ),
    )
    now = clock()
    with transaction.atomic():
        lease.renew(now)
        workspace.refresh_from_db()
        account.stripe_id = customer["id"]
        account.done_at = now
        account.missing_since = None
        account.save(update_fields=["stripe_id", "done_at", "missing_since"])
        # Stripe checks tax ids, and one that it refuses must not stand in the way of a customer:
        # it goes with the details, afterwards; so does what changed since the request was made.
        if workspace.tax_id or account.params != _without_blanks(customer_params(workspace)):
            note_details_changed(workspace_id=workspace.pk, now=now)
    mirror.keep_customer(customer, workspace=workspace)


def _exists(customer_id: str) -> bool:
    try:
        return not stripe_client.get(f"/v1/customers/{customer_id}").get("deleted")
    except StripeMissing:
        return False


def _forget(account: StripeCustomer, lease: Lease, now: dt.datetime) -> None:
    log.warning("customer %s of workspace %s is gone", account.stripe_id, account.pk)
    with transaction.atomic():
        lease.renew(now)
        _reset(account, now)


def _reset(account: StripeCustomer, now: dt.datetime) -> None:
    # Its cards are gone with it.
    PaymentMethod.objects.filter(pk=account.pk).delete()
    account.stripe_id = None
    account.generation += 1
    account.key_version = 0
    account.idempotency_key = ""
    account.key_used_at = None
    account.key_spent = False
    account.params = {}
    account.times_tried = 0
    account.started_at = None
    account.done_at = None
    account.status = Status.DONE
    account.blocked_reason = ""
    account.finished_at = now
    account.missing_since = now
    account.save(
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
    account = claim.row
    path = f"/v1/customers/{account.stripe_id}"
    try:
        customer = stripe_client.post(path, customer_params(account.workspace))
        replace_tax_id(customer_id=customer["id"], workspace=account.workspace)
    except StripeMissing:
        _forget(account, claim.lease, claim.clock())
        return False
    except StripeUnavailable as error:
        claim.retry_later(error.detail, at_least=error.retry_after)
        return False
    except StripeRefused as error:
        with transaction.atomic():
            claim.block(StripeCustomer.Reason.REFUSED, error.detail)
            tell_finance_of_refused_details(account, now=claim.clock())
            tell_owners_of_refused_details(account, now=claim.clock())
        return False
    except StripeNotConfigured as error:
        claim.retry_later(error.detail)
        return False
    claim.done()
    mirror.keep_customer(customer, workspace=account.workspace)
    return True


def _without_blanks(params: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name: _without_blanks(value) if isinstance(value, dict) else value
        for name, value in params.items()
    }
    return {name: value for name, value in kept.items() if value}
