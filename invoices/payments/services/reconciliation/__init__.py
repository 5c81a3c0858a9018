"""Proof that Stripe and we say the same about every invoice, and the mending of what differs."""

from invoices.payments.services.reconciliation.remedies import NoLongerSo, NoRemedy, apply_remedy
from invoices.payments.services.reconciliation.run import reconcile

__all__ = ["NoLongerSo", "NoRemedy", "apply_remedy", "reconcile"]
