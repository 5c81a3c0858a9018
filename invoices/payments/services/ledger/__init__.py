"""Ledger check of payments: invoices in Stripe, money that came and went, and all rows' history."""

from invoices.payments.services.ledger.history import history_differences
from invoices.payments.services.ledger.payments import payment_differences
from invoices.payments.services.ledger.stripe import stripe_differences

__all__ = ["history_differences", "payment_differences", "stripe_differences"]
