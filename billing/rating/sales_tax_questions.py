"""What is asked about a tax whose rates depend on the address. Pure functions."""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from billing.money import ZERO
from billing.rating.taxes import EXEMPT, STANDARD, Decision, Treatment, Undecided

_DEFAULT_ACCOUNT = "default"


@dataclass(frozen=True, slots=True)
class Address:
    country: str
    state: str
    postal_code: str
    city: str
    line1: str
    line2: str


@dataclass(frozen=True, slots=True)
class AskedLine:
    """All that a document bills of one tax class, positive, and its code in Stripe's catalogue."""

    tax_class: str
    code: str
    amount: Decimal


@dataclass(frozen=True, slots=True)
class Question:
    """What a document's tax depends on: two with the same digest have the same answer."""

    address: Address
    is_exempt: bool
    currency: str
    day: dt.date
    prices_include_tax: bool
    lines: tuple[AskedLine, ...]
    # The Stripe account whose registrations count; the default one goes without saying.
    account: str = _DEFAULT_ACCOUNT

    def as_json(self) -> dict[str, Any]:
        return {
            **({} if self.account == _DEFAULT_ACCOUNT else {"account": self.account}),
            "address": {
                "country": self.address.country,
                "state": self.address.state,
                "postal_code": self.address.postal_code,
                "city": self.address.city,
                "line1": self.address.line1,
                "line2": self.address.line2,
            },
            "is_exempt": self.is_exempt,
            "currency": self.currency,
            "day": self.day.isoformat(),
            "prices_include_tax": self.prices_include_tax,
            "lines": [
                {"tax_class": line.tax_class, "code": line.code, "amount": f"{line.amount:f}"}
                for line in self.lines
            ],
        }

    @property
    def digest(self) -> str:
        text = json.dumps(self.as_json(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    @property
    def amount(self) -> Decimal:
        return sum((line.amount for line in self.lines), ZERO)


def question_from(said: Mapping[str, Any]) -> Question:
    """The question that `Question.as_json` said."""
    return Question(
        Address(**said["address"]),
        said["is_exempt"],
        said["currency"],
        dt.date.fromisoformat(said["day"]),
        said["prices_include_tax"],
        tuple(
            AskedLine(line["tax_class"], line["code"], Decimal(line["amount"]))
            for line in said["lines"]
        ),
        said.get("account", _DEFAULT_ACCOUNT),
    )


def question_of(
    decision: Decision,
    address: Address,
    lines: Sequence[tuple[Decimal, str]],
    *,
    codes: Mapping[str, str],
    currency: str,
    day: dt.date,
    prices_include_tax: bool,
    account: str = _DEFAULT_ACCOUNT,
) -> Question:
    """What is to be asked about lines of (amount in whole charge steps, tax class). Without lines
    of its own there is nothing to ask. Raises `Undecided`."""
    if not address.postal_code:
        raise Undecided(
            "no_postal_code",
            "Its billing address has no ZIP code, on which its sales tax depends.",
        )
    asked = []
    for tax_class, amount in sorted(_sums(lines).items()):
        if amount < 0:
            raise Undecided(
                "tax_below_zero",
                f"Its credits of tax class {tax_class!r} are larger than what they are taken from:"
                " no sales tax can be worked out on less than nothing.",
            )
        code = codes.get(tax_class)
        if code is None:
            raise Undecided(
                "no_tax_code",
                f"Stripe's tax code for lines of class {tax_class!r} is not known: name it in"
                " STRIPE_TAX_CODES.",
            )
        if amount:
            asked.append(AskedLine(tax_class, code, amount))
    return Question(
        address,
        decision.treatment == Treatment.EXEMPT,
        currency,
        day,
        prices_include_tax,
        tuple(asked),
        account,
    )


def _sums(lines: Sequence[tuple[Decimal, str]]) -> dict[str, Decimal]:
    """By class, without what is exempt by law wherever it is sold."""
    sums: dict[str, Decimal] = {}
    for amount, given in lines:
        tax_class = given or STANDARD
        if tax_class != EXEMPT:
            sums[tax_class] = sums.get(tax_class, ZERO) + amount
    return sums
