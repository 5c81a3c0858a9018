"""Bringing an invoice into Stripe: once, exactly, whatever fails on the way."""

from invoices.services.push.machine import PushResult, push_invoice
from invoices.services.push.upkeep import NotParked, due_pushes, retry_push

__all__ = ["NotParked", "PushResult", "due_pushes", "push_invoice", "retry_push"]
