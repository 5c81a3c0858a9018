"""Billing periods with what the month end may do about them."""

from django.contrib import admin

from billing.admin.periods import BillingPeriodAdmin
from billing.models import BillingPeriod


@admin.register(BillingPeriod)
class ClosablePeriodAdmin(BillingPeriodAdmin):
    """A period can be closed by hand, and a failed close tried again."""
