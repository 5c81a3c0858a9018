"""The customer in Stripe that stands for a workspace."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone as clock

from billing.models import Workspace
from invoices.payments.models.stripe_requests import Leased, StripeRequest


class StripeCustomer(StripeRequest, Leased):
    """A workspace's customer in Stripe. Another `generation` follows one deleted there."""

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, primary_key=True, related_name="stripe_customer"
    )
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    generation = models.PositiveSmallIntegerField(default=1)
    # The name, address, ... in Stripe are older than ours since then.
    details_changed_at = models.DateTimeField(null=True, blank=True)
    next_try_at = models.DateTimeField(default=clock.now)
    failures = models.PositiveSmallIntegerField(default=0)
    missing_since = models.DateTimeField(
        null=True, blank=True, help_text="When the last customer was found deleted in Stripe."
    )
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(lease_token__isnull=True, lease_expires_at__isnull=True)
                | Q(lease_token__isnull=False, lease_expires_at__isnull=False),
                name="customer_lease_is_whole",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_try_at"],
                condition=Q(details_changed_at__isnull=False),
                name="customers_to_update",
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_id or "not in Stripe yet"
