"""Stripe's resources, a module each."""

from importlib import import_module

_MODULES = (
    "accounts",
    "billing_portal",
    "checkout",
    "credit_notes",
    "customers",
    "disputes",
    "events",
    "files",
    "invoice_items",
    "invoice_lifecycle",
    "invoice_lines",
    "invoice_payments",
    "invoices",
    "payment_methods",
    "payment_records",
    "payments",
    "prices",
    "refunds",
    "setup_intents",
    "subscriptions",
    "tax_calculations",
    "webhook_endpoints",
)


def register() -> None:
    """Import every resource, which puts its endpoints into `dev.stripe_sandbox.router`."""
    for name in _MODULES:
        import_module(f"{__name__}.{name}")
