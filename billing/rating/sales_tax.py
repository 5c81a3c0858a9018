"""Taxes whose rates depend on the address: what the answer makes of a document. Pure functions.

All lines of one tax class are asked about as one amount: its discounts and credits lower what is
taxed, and its tax is rounded once. The answer names for each class the jurisdictions that tax it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Any

from billing.money import EXACT, ZERO, allocate, from_minor
from billing.rating.sales_tax_questions import Question
from billing.rating.tax_amounts import (
    EXEMPT_BY_LAW,
    Category,
    Taxed,
    TaxedGroup,
    tax_of,
    tax_within,
)
from billing.rating.taxes import EXEMPT, STANDARD, Decision, Treatment
from billing.rating.us_states import STATES, state_code

_RATE_STEP = Decimal("0.0001")
# Of a line that is taxed in part: what is taxed was rounded, and more digits would only say that.
_PART_STEP = Decimal("0.01")


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
