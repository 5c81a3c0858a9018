"""Stripe's resources; importing the package registers their endpoints."""

from importlib import import_module

_MODULES = (
    "accounts",
    "billing_portal",
    "checkout",
    "credit_notes",
    "customers",
    "disputes",
    "events",
    "invoice_items",
    "invoice_lifecycle",
    "invoice_lines",
    "invoice_payments",
    "invoices",
    "payment_methods",
    "payments",
    "prices",
    "refunds",
    "setup_intents",
    "subscriptions",
    "webhook_endpoints",
)

for _name in _MODULES:
    import_module(f"{__name__}.{_name}")
