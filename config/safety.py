"""What a system that bills real customers must not be started with.

`config.settings.production` refuses to start with any of it; `manage.py check --deploy` names and
explains each, whatever the settings. `STAGING=true` lets pass what only a live system must not
have: a sandbox or a test key of Stripe, and plain HTTP.
"""

import ipaddress
from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ValidationError
from django.http.request import validate_host

from billing.text import validate_address

STRIPE = "https://api.stripe.com"
_SHORTEST_KEY = 40
# Of keys that stand in examples and tutorials, or are typed.
_KNOWN = ("django-insecure", "secret", "changeme", "change-me", "insecure", "example", "test")


class SettingFault(NamedTuple):
    """`name` of the setting, what is wrong with it, what to do, and whether staging may have it."""

    number: int
    name: str
    wrong: str
    hint: str
    in_staging: bool = False


def faults(settings: Any) -> Iterator[SettingFault]:
    if settings.DEBUG:
        yield SettingFault(1, "DEBUG", "must be false", "Error pages would show settings and data.")
    key = str(settings.SECRET_KEY)
    if len(key) < _SHORTEST_KEY or len(set(key)) < 10 or key.lower().startswith(_KNOWN):
        yield SettingFault(
            2,
            "SECRET_KEY",
            f"must be {_SHORTEST_KEY} or more random characters",
            "Who guesses it signs in as anybody. Make one with: python -c"
            ' "import secrets; print(secrets.token_urlsafe(48))"',
        )
    if "*" in settings.ALLOWED_HOSTS:
        yield SettingFault(
            3,
            "ALLOWED_HOSTS",
            "must name the site's hosts, not *",
            "Links in mails would lead wherever a request said.",
        )
    if not settings.STRIPE_LIVE_MODE:
        yield SettingFault(
            4,
            "STRIPE_SECRET_KEY",
            "must be a live key",
            "Invoices of a test key are paid by nobody.",
            in_staging=True,
        )
    if settings.STRIPE_API_BASE != STRIPE:
        yield SettingFault(
            5,
            "STRIPE_API_BASE",
            f"must be {STRIPE}",
            "Another server, as the sandbox, gets the key and collects nothing.",
            in_staging=True,
        )
    if not settings.SITE_URL.startswith("https://"):
        yield SettingFault(
            6,
            "SITE_URL",
            "must begin with https://",
            "Links in mails and Stripe's webhooks would go in clear.",
            in_staging=True,
        )
    if not settings.SECURE_SSL_REDIRECT:
        yield SettingFault(
            7,
            "HTTPS",
            "must be true",
            "Passwords and keys would go in clear.",
            in_staging=True,
        )
    if not settings.EMAIL_HOST:
        yield SettingFault(8, "EMAIL_HOST", "must be set", "Invoices would be written to files.")
    host = urlsplit(settings.SITE_URL).hostname or ""
    if "*" not in settings.ALLOWED_HOSTS and not validate_host(host, settings.ALLOWED_HOSTS):
        yield SettingFault(
            11,
            "SITE_URL",
            f"must have one of ALLOWED_HOSTS, not {host}",
            "Links in mails would lead nowhere, and passkeys, which are bound to that host, could"
            " be neither made nor used.",
        )
    if _is_number(host):
        yield SettingFault(
            12,
            "SITE_URL",
            "must have a name, not a number",
            "Browsers make no passkeys for a number.",
            in_staging=True,
        )
    addresses = {
        "FINANCE_EMAILS": list(settings.FINANCE_EMAILS) or [""],
        "DEFAULT_FROM_EMAIL": [_bare(settings.DEFAULT_FROM_EMAIL)],
    }
    for number, (name, given) in enumerate(addresses.items(), 9):
        if not all(_can_be_mailed(address) for address in given):
            yield SettingFault(
                number,
                name,
                "must be addresses that mail reaches",
                "Nobody would be told of what needs a person.",
            )


def unfit(settings: Any) -> str:
    """All faults that keep a production system from starting, in one line; "" for none."""
    wrong = [
        f"{fault.name} {fault.wrong}"
        for fault in faults(settings)
        if not (fault.in_staging and settings.STAGING)
    ]
    return "; ".join(wrong)


@register(Tags.security, deploy=True)
def check_safety(app_configs: object, **kwargs: Any) -> list[CheckMessage]:
    from django.conf import settings  # noqa: PLC0415 - settings import this module

    found: list[CheckMessage] = []
    for fault in faults(settings):
        kind = Warning if fault.in_staging and settings.STAGING else Error
        found.append(
            kind(f"{fault.name} {fault.wrong}.", hint=fault.hint, id=f"config.E{fault.number:03}")
        )
    if not settings.STAFF_SECOND_FACTOR:
        hint = "A password of finance alone opens every price and invoice."
        found.append(Warning("STAFF_SECOND_FACTOR is false.", hint=hint, id="config.W001"))
    if not settings.SEAL_KEYS:
        hint = "Seals are made with a key derived from SECRET_KEY: changing that breaks them."
        found.append(Warning("SEAL_KEYS is not set.", hint=hint, id="config.W002"))
    return found


def _bare(address: str) -> str:
    """The address in `Name <address>`."""
    return address.rpartition("<")[2].rstrip("> ")


def _can_be_mailed(address: str) -> bool:
    try:
        validate_address(address)
    except ValidationError:
        return False
    domain = address.rpartition("@")[2].lower()
    return not domain.endswith((".example", ".invalid", ".localhost")) and not _is_number(domain)


def _is_number(domain: str) -> bool:
    try:
        ipaddress.ip_address(domain.strip("[]"))
    except ValueError:
        return False
    return True
