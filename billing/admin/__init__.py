"""Admin pages of billing."""

from billing.admin import (
    alerts,
    audit,
    emails,
    keys,
    people,
    periods,
    prices,
    rate_cards,
    workspaces,
)

__all__ = [
    "alerts",
    "audit",
    "emails",
    "keys",
    "people",
    "periods",
    "prices",
    "rate_cards",
    "workspaces",
]
