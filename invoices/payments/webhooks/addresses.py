"""Where each Stripe account posts its events: the account is in the address, signed for by its
endpoint's own secret."""

import re
from typing import NamedTuple
from uuid import UUID

from billing.stripe_accounts import DEFAULT, AccountName

PREFIX = "/stripe/webhook/"
_FORM = re.compile(
    r"^(?P<site>.*)/stripe/webhook/((?P<account>[a-z][a-z0-9_]*)/)?(?P<uuid>[0-9a-fA-F-]{36})/?$"
)


class EndpointAddress(NamedTuple):
    site: str
    account: AccountName
    uuid: UUID


def address_of(site: str, account: AccountName, uuid: UUID) -> str:
    whose = "" if account == DEFAULT else f"{account}/"
    return f"{site}{PREFIX}{whose}{uuid}/"


def parsed(url: str) -> EndpointAddress | None:
    """What an address of ours names; None of any other."""
    found = _FORM.match(url)
    if found is None:
        return None
    return EndpointAddress(
        found["site"], AccountName(found["account"] or DEFAULT), UUID(found["uuid"])
    )


def account_in(url: str) -> AccountName | None:
    found = parsed(url)
    return found.account if found else None
