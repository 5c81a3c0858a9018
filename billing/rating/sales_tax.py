"""Taxes whose rates depend on the address: what is asked, and what the answer makes of a document.
Pure functions.

All lines of one tax class are asked about as one amount: its discounts and credits lower what is
taxed, and its tax is rounded once. The answer names for each class the jurisdictions that tax it.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

from billing.money import EXACT, ZERO, allocate, from_minor
from billing.rating.tax_amounts import (
    EXEMPT_BY_LAW,
    Category,
    Taxed,
    TaxedGroup,
    tax_of,
    tax_within,
)
from billing.rating.taxes import EXEMPT, STANDARD, Decision, Treatment, Undecided
from billing.rating.us_states import STATES, state_code

_DEFAULT_ACCOUNT = "default"
_RATE_STEP = Decimal("0.0001")
# Of a line that is taxed in part: what is taxed was rounded, and more digits would only say that.
_PART_STEP = Decimal("0.01")


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


@dataclass(frozen=True, slots=True)
class Share:
    """What one jurisdiction takes of a line: `percent` of `taxable`."""

    jurisdiction: str
    level: str
    percent: Decimal
    taxable: Decimal
    tax: Decimal
    tax_type: str
    reason: str


@dataclass(frozen=True, slots=True)
class AnsweredLine:
    tax_class: str
    amount: Decimal
    tax: Decimal
    shares: tuple[Share, ...]

    def rate(self, *, includes_tax: bool) -> Decimal:
        """In percent of the whole line before tax: what all jurisdictions take together. Of a line
        that is taxed in part it is as much lower, to two decimals."""
        base = self.amount - self.tax if includes_tax else self.amount
        if not base:
            return ZERO
        with localcontext(EXACT):
            taken = sum((share.percent * share.taxable for share in self.shares), ZERO)
            in_part = any(share.percent and share.taxable != base for share in self.shares)
            rate = (taken / base).quantize(_PART_STEP, rounding=ROUND_HALF_EVEN)
            if rate and in_part:
                return rate
            return (taken / base).quantize(_RATE_STEP, rounding=ROUND_HALF_EVEN)


def answered_lines(said: Sequence[Mapping[str, Any]]) -> list[AnsweredLine]:
    """Lines as they are kept: amounts and percentages as texts."""
    return [
        AnsweredLine(
            line["tax_class"],
            Decimal(line["amount"]),
            Decimal(line["tax"]),
            tuple(
                Share(
                    share["jurisdiction"],
                    share["level"],
                    Decimal(share["percent"]),
                    Decimal(share["taxable"]),
                    Decimal(share["tax"]),
                    share["tax_type"],
                    share["reason"],
                )
                for share in line["shares"]
            ),
        )
        for line in said
    ]


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


def taxed_as_answered(
    decision: Decision,
    lines: Sequence[tuple[Decimal, str]],
    answered: Sequence[AnsweredLine],
    *,
    currency: str,
    prices_include_tax: bool,
) -> Taxed:
    """Tax lines as `tax_amounts.apply` does, with the amounts of an answer about them.

    Classes of the same rate make one group, whose tax is the sum of what was answered.
    """
    by_class = {line.tax_class: line for line in answered}
    name = sales_tax_name(decision)
    nets = [amount for amount, _ in lines]
    places: dict[str, list[int]] = {}
    for place, (_, tax_class) in enumerate(lines):
        places.setdefault(tax_class or STANDARD, []).append(place)
    categories: list[Category] = [Category("E", ZERO)] * len(lines)
    sums: dict[Category, tuple[Decimal, Decimal]] = {}
    with localcontext(EXACT):
        for tax_class, members in places.items():
            line = by_class.get(tax_class)
            tax = line.tax if line else ZERO
            total = sum((nets[place] for place in members), ZERO)
            base = total - tax if prices_include_tax else total
            if prices_include_tax and tax:
                share = [nets[place] - nets[place] * tax / total for place in members]
                for place, minor in zip(members, allocate(share, currency), strict=True):
                    nets[place] = from_minor(minor, currency)
            category = _category(decision, tax_class, line, prices_include_tax)
            for place in members:
                categories[place] = category
            bases, taxes = sums.get(category, (ZERO, ZERO))
            sums[category] = bases + base, taxes + tax
        groups = [
            TaxedGroup(
                category,
                name,
                base,
                tax,
                _text(decision, category),
                "",
                is_calculated=category.code == "S",
            )
            for category, (base, tax) in sorted(
                sums.items(), key=lambda each: (-each[0].rate, each[0].code)
            )
        ]
        return Taxed(nets, categories, groups)


def estimated(
    question: Question, last: Sequence[AnsweredLine], *, included: bool
) -> list[AnsweredLine] | None:
    """What the rates of an earlier answer make of a question; None where they do not cover it.
    `included` says whether prices had the tax in them then."""
    rates = {line.tax_class: line.rate(includes_tax=included) for line in last}
    if any(line.tax_class not in rates for line in question.lines):
        return None
    lines = []
    for line in question.lines:
        percent = rates[line.tax_class]
        work_out = tax_within if question.prices_include_tax else tax_of
        tax = work_out(line.amount, percent, question.currency)
        base = line.amount - tax if question.prices_include_tax else line.amount
        share = Share("", "", percent, base, tax, "", "")
        lines.append(AnsweredLine(line.tax_class, line.amount, tax, (share,)))
    return lines


def sales_tax_name(decision: Decision) -> str:
    """As "Sales tax, Texas"."""
    code = state_code(decision.region)
    return f"Sales tax, {STATES.get(code, decision.region)}"


def _category(
    decision: Decision, tax_class: str, line: AnsweredLine | None, includes_tax: bool
) -> Category:
    if decision.treatment == Treatment.EXEMPT or tax_class == EXEMPT:
        return Category("E", ZERO)
    rate = line.rate(includes_tax=includes_tax) if line else ZERO
    return Category("S" if rate else "Z", rate)


def _text(decision: Decision, category: Category) -> str:
    if decision.treatment == Treatment.EXEMPT:
        return decision.text
    return EXEMPT_BY_LAW if category.code == "E" else ""
