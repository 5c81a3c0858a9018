"""The customer in Stripe that stands for a workspace."""

import uuid
from typing import Any

from django.db import models
from django.db.models import Q

from billing.models import DurableWork, Workspace
from billing.models.fields import StripeAccountField, names_an_account
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
    """A workspace's customer in a Stripe account. Another `generation` follows one deleted there.

    As a request it is the making of the customer; as work it is to bring Stripe's copy of the
    name, address, ... up to date, which have changed at `requested_at`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="stripe_customers", db_index=False
    )
    account = StripeAccountField("Stripe account", editable=False)
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
            models.UniqueConstraint(
                fields=["workspace", "account"], name="one_customer_per_workspace_and_account"
            ),
            names_an_account("customer_names_a_stripe_account", "account"),
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
