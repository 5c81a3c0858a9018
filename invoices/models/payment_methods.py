"""How a workspace pays what is charged automatically."""

import calendar
import datetime as dt
import uuid

from django.db import models
from django.db.models import Q

from billing.models import Workspace
from billing.models.fields import StripeAccountField, names_an_account


class PaymentMethod(models.Model):
    """The card or bank account that a Stripe account charges; no row where there is none.

    Stripe keeps it; this is what was last heard of it. Of a card, with its last month.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="payment_methods", db_index=False
    )
    # A card is kept by one Stripe account, and cannot be charged by another.
    stripe_account = StripeAccountField("Stripe account", editable=False)
    stripe_id = models.CharField(max_length=255)
    label = models.CharField(max_length=80, help_text="As its owner knows it: Visa ending in 4242.")
    expires_on = models.DateField(
        null=True, blank=True, db_index=True, help_text="The last day of a card's last month."
    )
    noted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["workspace", "stripe_account"], name="one_payment_method_per_account"
            ),
            names_an_account("payment_method_names_a_stripe_account"),
            models.CheckConstraint(
                condition=~Q(stripe_id="") & ~Q(label=""), name="payment_method_has_a_name"
            ),
        ]

    def __str__(self) -> str:
        return self.label


def last_day_of(year: int, month: int) -> dt.date:
    return dt.date(year, month, calendar.monthrange(year, month)[1])
