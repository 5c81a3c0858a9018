"""Admin pages of billing."""

from billing.admin import alerts, emails, keys, people, periods, prices, workspaces

__all__ = ["alerts", "emails", "keys", "people", "periods", "prices", "workspaces"]
