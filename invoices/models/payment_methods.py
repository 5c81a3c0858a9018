"""How a workspace pays what is charged automatically."""

import calendar
import datetime as dt

from django.db import models
from django.db.models import Q

from billing.models import Workspace


class PaymentMethod(models.Model):
    """The card or account that automatic invoices are charged to; no row where there is none.

    Stripe keeps it; this is what was last heard of it. Of a card, with its last month.
    """

    workspace = models.OneToOneField(
        Workspace, on_delete=models.CASCADE, primary_key=True, related_name="payment_method"
    )
    stripe_id = models.CharField(max_length=255)
    label = models.CharField(max_length=80, help_text="As its owner knows it: Visa ending in 4242.")
    expires_on = models.DateField(
        null=True, blank=True, db_index=True, help_text="The last day of a card's last month."
    )
    noted_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=~Q(stripe_id="") & ~Q(label=""), name="payment_method_has_a_name"
            ),
        ]

    def __str__(self) -> str:
        return self.label


def last_day_of(year: int, month: int) -> dt.date:
    return dt.date(year, month, calendar.monthrange(year, month)[1])
