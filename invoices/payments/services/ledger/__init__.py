"""Ledger check of payments: invoices in Stripe, and the money that came and went."""

from invoices.payments.services.ledger.payments import payment_differences
from invoices.payments.services.ledger.stripe import stripe_differences

__all__ = ["payment_differences", "stripe_differences"]
