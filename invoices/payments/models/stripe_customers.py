"""The customer in Stripe that stands for a workspace."""

from typing import Any

from django.db import models
from django.db.models import Q

from billing.models import DurableWork, Workspace
from invoices.payments.models.stripe_requests import StripeRequest


class SavedCard(models.Model):
    """A card that became the default from a checkout session, which each session does once."""

    session_id = models.CharField(max_length=255, primary_key=True)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    stripe_id = models.CharField(max_length=255)
    saved_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.stripe_id


class StripeCustomer(StripeRequest, DurableWork):
    """A workspace's customer in Stripe. Another `generation` follows one deleted there.

    As a request it is the making of the customer; as work it is to bring Stripe's copy of the
    name, address, ... up to date, which have changed at `requested_at`.
    """

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, primary_key=True, related_name="stripe_customer"
    )
    stripe_id = models.CharField(max_length=255, null=True, blank=True, unique=True)
    generation = models.PositiveSmallIntegerField(default=1)
    missing_since = models.DateTimeField(
        null=True, blank=True, help_text="When the last customer was found deleted in Stripe."
    )

    class Meta(DurableWork.Meta):
        verbose_name = "customer in Stripe"
        verbose_name_plural = "customers in Stripe"
        constraints = [
            *DurableWork.Meta.constraints,
            models.CheckConstraint(
                condition=Q(stripe_id__isnull=False) | Q(status__in=["done", "failed"]),
                name="only_a_customer_in_stripe_has_details_to_send",
            ),
        ]

    def __str__(self) -> str:
        return self.stripe_id or "not in Stripe yet"

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        return f"Billing details of {self.workspace}", self.workspace, self.workspace

    @classmethod
    def with_subjects(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("workspace")
