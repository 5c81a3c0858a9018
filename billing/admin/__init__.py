"""Admin pages of billing."""

from billing.admin import (
    alerts,
    audit,
    costs,
    emails,
    keys,
    people,
    periods,
    price_overrides,
    prices,
    rate_card_versions,
    rate_cards,
    taxes,
    terms,
    workspaces,
)

__all__ = [
    "alerts",
    "audit",
    "costs",
    "emails",
    "keys",
    "people",
    "periods",
    "price_overrides",
    "prices",
    "rate_card_versions",
    "rate_cards",
    "taxes",
    "terms",
    "workspaces",
]
