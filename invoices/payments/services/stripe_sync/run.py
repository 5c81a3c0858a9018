"""What the steps of one run share: the lease, the clock, the rows, and what Stripe just said."""

from dataclasses import dataclass
from functools import cached_property

from django.db import transaction

from billing.services.work import Claim, Clock, Lease
from billing.stripe_accounts import AccountName
from invoices.models import Invoice
from invoices.payments.models import StripeSync, StripeSyncStep
from invoices.payments.services import lookups, stripe_client
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_sync.params import StripeLine
from invoices.payments.services.stripe_sync.plan import stripe_lines
from invoices.payments.services.stripe_units import stripe_minor


class Blocked(Exception):
    """The sync cannot go on by itself."""

    def __init__(self, reason: StripeSync.Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class StartOver(Exception):
    """What was made so far is gone in Stripe: a new build is needed."""


@dataclass
class Run:
    claim: Claim[StripeSync]
    steps: list[StripeSyncStep]
    # The invoice in Stripe as last answered in this run.
    latest: StripeObject | None = None

    @property
    def sync(self) -> StripeSync:
        return self.claim.row

    @property
    def invoice(self) -> Invoice:
        return self.claim.row.invoice

    @property
    def account(self) -> AccountName:
        """The invoice's, whatever its issuer's is by now."""
        return self.invoice.stripe_account

    @property
    def lease(self) -> Lease:
        return self.claim.lease

    @property
    def clock(self) -> Clock:
        return self.claim.clock

    def key(self, step: StripeSyncStep) -> str:
        """The request's name for ever, of which each idempotency key is a version."""
        parts = [
            "invoice",
            str(self.sync.pk),
            str(self.sync.build),
            step.kind,
            step.subject,
        ]
        return "/".join(part for part in parts if part)

    def step(self, kind: StripeSyncStep.Kind) -> StripeSyncStep:
        return next(step for step in self.steps if step.kind == kind)

    @property
    def customer_id(self) -> str:
        return self.step(StripeSyncStep.Kind.CUSTOMER).stripe_id

    @property
    def stripe_invoice_id(self) -> str:
        return self.step(StripeSyncStep.Kind.DRAFT).stripe_id

    @property
    def path(self) -> str:
        return f"/v1/invoices/{self.stripe_invoice_id}"

    @property
    def expected_total(self) -> int:
        return stripe_minor(self.invoice.amount, self.invoice.currency)

    @cached_property
    def lines(self) -> dict[str, StripeLine]:
        return stripe_lines(self.invoice)

    @cached_property
    def items_in_stripe(self) -> dict[str, StripeObject]:
        """As of the first look in this run, which is enough for what earlier runs have tried."""
        return lookups.items_of(self.account, self.stripe_invoice_id)

    def fetch(self) -> StripeObject:
        self.latest = stripe_client.get(self.account, self.path)
        return self.latest

    def known(self) -> StripeObject:
        """The invoice as this run last saw it; fetched if it has not."""
        return self.latest if self.latest is not None else self.fetch()

    def begin(self, step: StripeSyncStep) -> None:
        """Commit that a step which only reads, or has rows of its own, is being tried."""
        step.times_tried += 1
        step.started_at = step.started_at or self.clock()
        with transaction.atomic():
            self.lease.renew(self.clock())
            step.save(update_fields=["times_tried", "started_at"])

    def done(self, step: StripeSyncStep, stripe_id: str = "") -> None:
        with transaction.atomic():
            self.lease.renew(self.clock())
            self.note_done(step, stripe_id)

    def note_done(self, step: StripeSyncStep, stripe_id: str = "") -> None:
        """As `done`, inside the caller's transaction, which has renewed the lease."""
        step.status = StripeSyncStep.Status.DONE
        step.stripe_id = stripe_id or step.stripe_id
        step.done_at = self.clock()
        step.last_error = ""
        step.save(update_fields=["status", "stripe_id", "done_at", "last_error"])
        self.claim.worked()

    def failed(self, step: StripeSyncStep, detail: str) -> None:
        """It did not work, which does not stop the sync."""
        step.status = StripeSyncStep.Status.FAILED
        step.last_error = detail
        with transaction.atomic():
            self.lease.renew(self.clock())
            step.save(update_fields=["status", "last_error"])
