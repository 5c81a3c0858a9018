"""The customer in Stripe that stands for a workspace: made once, kept up to date, replaced."""

import datetime as dt
import logging
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from billing.models import Workspace
from invoices.models import PaymentMethod
from invoices.payments.models import StripeCustomer
from invoices.payments.services import leases, lookups, mirror, stripe_client
from invoices.payments.services.leases import Clock, Lease
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import (
    StripeFailure,
    StripeMissing,
    StripeUnavailable,
)
from invoices.payments.services.stripe_requests import backoff, perform
from invoices.payments.services.tax_ids import replace_tax_id

log = logging.getLogger(__name__)


def ensure_customer(*, workspace_id: UUID, now: dt.datetime) -> str:
    """The id of the workspace's customer, which exists in Stripe; found, made or made anew.

    Raises `StripeFailure`, and `Busy` while another process does the same.
    """
    StripeCustomer.objects.get_or_create(
        workspace_id=workspace_id, defaults={"next_try_at": now, "created_at": now}
    )
    clock = leases.running_clock(now)
    with leases.held(StripeCustomer, workspace_id, clock) as lease:
        account = StripeCustomer.objects.select_related("workspace").get(pk=workspace_id)
        if account.stripe_id is not None and not _exists(account.stripe_id):
            _forget(account, lease, clock())
        if account.stripe_id is None:
            _make(account, lease, clock)
        if account.details_changed_at is not None:
            _try_to_send_details(account, lease, clock)
        assert account.stripe_id is not None
        return account.stripe_id


def note_details_changed(*, workspace_id: UUID, now: dt.datetime) -> bool:
    """Remember, in the caller's transaction, that Stripe's copy is out of date.

    False when nothing was ever sent to Stripe; what is sent first is up to date by itself.
    """
    return bool(
        StripeCustomer.objects.filter(workspace_id=workspace_id).update(
            details_changed_at=now, next_try_at=now, failures=0
        )
    )


def update_customer(*, workspace_id: UUID, now: dt.datetime) -> bool:
    """Send changed details to Stripe, if there are any; whether Stripe now has them.

    What fails is noted and tried again by the sweep. A customer that was deleted in Stripe is
    forgotten, and made anew when the next invoice needs one.
    """
    clock = leases.running_clock(now)
    try:
        with leases.held(StripeCustomer, workspace_id, clock) as lease:
            account = StripeCustomer.objects.select_related("workspace").get(pk=workspace_id)
            if account.details_changed_at is None:
                return False
            if account.stripe_id is None:
                if not account.attempts:
                    _details_sent(account, lease, clock())
                return False
            return _try_to_send_details(account, lease, clock)
    except (leases.Busy, leases.LeaseLost) as error:
        log.info("details of workspace %s are left for the sweep: %s", workspace_id, error)
        return False


def customers_to_update(*, now: dt.datetime, limit: int = 500) -> list[UUID]:
    """Workspaces whose details in Stripe are out of date and due for another try."""
    return list(
        StripeCustomer.objects.filter(
            Q(stripe_id__isnull=False) | Q(attempts=0),
            details_changed_at__isnull=False,
            next_try_at__lte=now,
        )
        .order_by("next_try_at")
        .values_list("pk", flat=True)[:limit]
    )


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
    account.stripe_id = customer["id"]
    account.done_at = now
    account.last_error = ""
    account.missing_since = None
    with transaction.atomic():
        lease.renew(now)
        account.save(update_fields=["stripe_id", "done_at", "last_error", "missing_since"])
        if workspace.tax_id:
            # Stripe checks tax ids, and one that it refuses must not stand in the way of a
            # customer: it goes with the details, afterwards.
            note_details_changed(workspace_id=workspace.pk, now=now)
            account.details_changed_at = now
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
    account.attempts = 0
    account.started_at = None
    account.done_at = None
    account.details_changed_at = None
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
            "attempts",
            "started_at",
            "done_at",
            "details_changed_at",
            "missing_since",
        ]
    )


def _try_to_send_details(account: StripeCustomer, lease: Lease, clock: Clock) -> bool:
    """Bring Stripe's copy up to date. A failure is noted: it must not hold up an invoice."""
    try:
        customer = _send_details(account)
    except StripeMissing:
        _forget(account, lease, clock())
        return False
    except StripeFailure as error:
        account.failures += 1
        account.last_error = error.detail
        retry_after = error.retry_after if isinstance(error, StripeUnavailable) else None
        account.next_try_at = clock() + backoff(account.failures, retry_after)
        with transaction.atomic():
            lease.renew(clock())
            account.save(update_fields=["failures", "last_error", "next_try_at"])
        return False
    _details_sent(account, lease, clock())
    mirror.keep_customer(customer, workspace=account.workspace)
    return True


def _send_details(account: StripeCustomer) -> StripeObject:
    path = f"/v1/customers/{account.stripe_id}"
    customer = stripe_client.post(path, customer_params(account.workspace))
    replace_tax_id(customer_id=customer["id"], workspace=account.workspace)
    return customer


def _details_sent(account: StripeCustomer, lease: Lease, now: dt.datetime) -> None:
    """Nothing is out of date any more, unless it changed again while it was being sent."""
    with transaction.atomic():
        lease.renew(now)
        StripeCustomer.objects.filter(
            pk=account.pk, details_changed_at=account.details_changed_at
        ).update(details_changed_at=None, failures=0, last_error="")
    account.details_changed_at = None


def _without_blanks(params: dict[str, Any]) -> dict[str, Any]:
    kept = {
        name: _without_blanks(value) if isinstance(value, dict) else value
        for name, value in params.items()
    }
    return {name: value for name, value in kept.items() if value}
