"""Secret keys of further Stripe accounts: each name of STRIPE_ACCOUNTS has a setting of its own.

A mistake here is money in another company's account, so nothing is guessed: each is named.
"""

import re
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

from config import env

_PREFIX = "STRIPE_SECRET_KEY_"
_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
# Names of the default account, and what stands behind a variable that names a file.
_TAKEN = re.compile(r"default|(.*_)?file")


def is_live(key: str) -> bool:
    return key.startswith(("sk_live_", "rk_live_"))


def further(names: Sequence[str], *, default_key: str) -> dict[str, str]:
    """The key of each account. Raises ImproperlyConfigured, which names the setting."""
    found: dict[str, str] = {}
    for name in names:
        if not _NAME.fullmatch(name) or _TAKEN.fullmatch(name):
            raise ImproperlyConfigured(
                f"STRIPE_ACCOUNTS must be names of small letters, digits and _, at most 32, none of"
                f" them default or ending in file, separated by commas; not {name!r}."
            )
        if name in found:
            raise ImproperlyConfigured(f"STRIPE_ACCOUNTS names {name} twice.")
        found[name] = _key_of(name, live=is_live(default_key))
    _refuse_same_keys(found, default_key)
    _refuse_unnamed(found)
    return found


def _key_of(name: str, *, live: bool) -> str:
    setting = f"{_PREFIX}{name.upper()}"
    key = env.text(setting, form="[sr]k_", wanted="a secret key, which begins with sk_ or rk_")
    if not key:
        raise ImproperlyConfigured(f"{setting} is not set, and STRIPE_ACCOUNTS names {name}.")
    if is_live(key) != live:
        kind = "live" if live else "test"
        raise ImproperlyConfigured(f"{setting} must be a {kind} key, as STRIPE_SECRET_KEY is.")
    return key


def _refuse_same_keys(found: dict[str, str], default_key: str) -> None:
    whose = {default_key: "STRIPE_SECRET_KEY"} if default_key else {}
    for name, key in found.items():
        setting = f"{_PREFIX}{name.upper()}"
        if key in whose:
            raise ImproperlyConfigured(f"{setting} is the same key as {whose[key]}.")
        whose[key] = setting


def _refuse_unnamed(found: dict[str, str]) -> None:
    """A key that no name leads to is a name that was misspelled or forgotten."""
    for setting in env.names_like(f"{_PREFIX}[A-Z][A-Z0-9_]*"):
        name = setting.removeprefix(_PREFIX).lower()
        if name not in found:
            raise ImproperlyConfigured(
                f"{setting} is set, and STRIPE_ACCOUNTS does not name {name}."
            )
