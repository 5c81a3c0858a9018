"""What handlers are given, and what they answer."""

import datetime as dt
from dataclasses import dataclass
from typing import Any

from billing.stripe_accounts import AccountName


class EventTooEarly(Exception):
    """What the event is about has not been committed here yet: Stripe is to send it again."""


@dataclass(frozen=True)
class StripeEvent:
    """A verified event of `account`; `object` is its subject as it was when the event happened."""

    id: str
    type: str
    account: AccountName
    created: dt.datetime
    object: dict[str, Any]
    now: dt.datetime

    @property
    def source(self) -> str:
        """How an invoice's history names it."""
        return f"Stripe, {self.type} ({self.id})"


@dataclass(frozen=True)
class Outcome:
    """What came of an event: a line for the log, and what to read from Stripe afterwards.

    `stripe_invoice_id` names an invoice that may have changed in Stripe. `look_up_payment` asks to
    find the invoice behind a charge that is not known here, and to handle the event again then.
    """

    text: str
    stripe_invoice_id: str = ""
    look_up_payment: bool = False
