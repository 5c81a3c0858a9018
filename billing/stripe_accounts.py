"""Stripe accounts by name: the settings hold their keys, and everything else only their names.

A company that issues documents is paid into an account of its own, or into the default one.
"""

from typing import NewType

from django.conf import settings

AccountName = NewType("AccountName", str)
DEFAULT = AccountName("default")


def configured_accounts() -> list[AccountName]:
    """The default one first, whether it has a key or not; it is what all installations have."""
    return [DEFAULT, *(AccountName(name) for name in settings.STRIPE_ACCOUNT_KEYS)]


def is_configured(account: str) -> bool:
    return account == DEFAULT or account in settings.STRIPE_ACCOUNT_KEYS


def secret_key_of(account: AccountName) -> str:
    """Empty where the settings have none, or no such account any more."""
    if account == DEFAULT:
        return str(settings.STRIPE_SECRET_KEY)
    return str(settings.STRIPE_ACCOUNT_KEYS.get(account, ""))


def account_of_key(secret_key: str) -> AccountName | None:
    """Whose key it is; None of one that no setting names."""
    if not secret_key:
        return None
    return next((each for each in configured_accounts() if secret_key_of(each) == secret_key), None)


def setting_of(account: AccountName) -> str:
    """The name of the setting that holds its secret key."""
    return "STRIPE_SECRET_KEY" if account == DEFAULT else f"STRIPE_SECRET_KEY_{account.upper()}"
