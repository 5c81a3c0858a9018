"""Why one bill differs from another: the difference as steps that add up to it. Pure functions.

Usage of the months' own days is cut up by what it was used for. A use of a resource type is one
record; the amount of a type is uses x quantity of each use x average price of a unit. The steps
are taken in this order, each with what those before it left as it was:

1. new and gone agents: all that agents used that are in one month only;
2. volume: so many more uses, of the quantity and at the price of the month before; of types that
   are in one month only all of it;
3. length: more quantity in each use, at the average price of the month before;
4. provider mix: the same quantity through other providers, at their prices of the month before;
5. model mix: the same, among a provider's models;
6. price: the same quantity of the same model at another price.

A provider or model without a price in the month before, being new, has its own of now: what that
changes is mix. The rest is compared line by line: late usage, what prices of a whole month make
of list prices, fees, discounts and so on. Amounts are fractions, so that nothing is ever rounded
before the end; `in_cents` shares the difference of the two bills out to the steps.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Context, Decimal, localcontext
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple, TypeVar
from uuid import UUID

from billing.money import EXACT, ZERO, apportion, from_minor

_K = TypeVar("_K")
# A difference in cents is shared out by fractions of a cent: so many digits tell any two apart.
_DIGITS = Context(prec=60)


class Driver(StrEnum):
    NEW_AGENTS = "new_agents"
    GONE_AGENTS = "gone_agents"
    VOLUME = "volume"
    LENGTH = "length"
    PROVIDERS = "providers"
    MODELS = "models"
    PRICES = "prices"
    LATE = "late"
    ALLOWANCE = "allowance"
    FEE = "fee"
    ADD_ONS = "add_ons"
    DISCOUNTS = "discounts"
    COMMITMENT = "commitment"
    MANUAL = "manual"
    CREDIT = "credit"
    TAX = "tax"


class UsageCell(NamedTuple):
    """What a month's own days used of one kind; `records` are its uses."""

    agent: UUID | None
    resource_type: str
    provider: str
    model: str | None
    records: int
    quantity: Decimal
    amount: Decimal


@dataclass(frozen=True)
class BilledMonth:
    """A month as it is billed: cells at list price, and what else stands on the bill."""

    cells: Sequence[UsageCell] = ()
    other: Mapping[Driver, Decimal] = field(default_factory=dict)

    @property
    def total(self) -> Decimal:
        return sum((cell.amount for cell in self.cells), ZERO) + sum(self.other.values(), ZERO)


# What a part of a step is about, in the order of a cell: agent, type, provider, model.
Subject = tuple[UUID | None, str, str, str | None]
NOBODY: Subject = (None, "", "", None)


@dataclass
class Effect:
    """A step and what it is made of, which adds up to it."""

    step: Driver
    parts: dict[Subject, Fraction] = field(default_factory=lambda: defaultdict(Fraction))

    @property
    def amount(self) -> Fraction:
        return sum(self.parts.values(), Fraction())

    def largest(self, most: int) -> list[tuple[Subject, Fraction]]:
        """Its largest parts, whichever way they go: those of one way alone can be more than it."""
        parts = [part for part in self.parts.items() if part[1]]
        return sorted(parts, key=lambda part: (-abs(part[1]), str(part[0])))[:most]

    def main(self) -> Subject:
        """What most of it is about: the largest part that goes in its direction."""
        sign = 1 if self.amount >= 0 else -1
        ordered = self.largest(len(self.parts))
        return next((subject for subject, amount in ordered if amount * sign > 0), NOBODY)


def bridge(before: BilledMonth, now: BilledMonth) -> list[Effect]:
    """The changes that lead from one bill to the other, in order; those of nothing are left out.

    Their amounts add up to the difference of the totals exactly.
    """
    changes = {step: Effect(step) for step in Driver}
    were, are = _by_agent(before.cells), _by_agent(now.cells)
    gone, new = were - are - {None}, are - were - {None}
    for cell in now.cells:
        if cell.agent in new:
            changes[Driver.NEW_AGENTS].parts[_of_agent(cell)] += Fraction(cell.amount)
    for cell in before.cells:
        if cell.agent in gone:
            changes[Driver.GONE_AGENTS].parts[_of_agent(cell)] -= Fraction(cell.amount)
    then = _grouped((c for c in before.cells if c.agent not in gone), lambda c: c.resource_type)
    stays = _grouped((c for c in now.cells if c.agent not in new), lambda c: c.resource_type)
    for name in then.keys() | stays.keys():
        _of_type(name, then.get(name, []), stays.get(name, []), changes)
    for step in Driver:
        difference = now.other.get(step, ZERO) - before.other.get(step, ZERO)
        if difference:
            changes[step].parts[NOBODY] += Fraction(difference)
    return [change for change in changes.values() if any(change.parts.values())]


def _of_type(
    name: str, then: Sequence[UsageCell], now: Sequence[UsageCell], changes: Mapping[Driver, Effect]
) -> None:
    """Steps 2 to 6 for one resource type."""
    were, are = _sum(then), _sum(now)
    subject: Subject = (None, name, "", None)
    if not were.records or not were.quantity:
        changes[Driver.VOLUME].parts[subject] += are.amount - were.amount
        return
    price = were.amount / were.quantity
    at_volume = were.amount * are.records / were.records
    at_length = are.quantity * price
    changes[Driver.VOLUME].parts[subject] += at_volume - were.amount
    changes[Driver.LENGTH].parts[subject] += at_length - at_volume
    providers_then = _grouped(then, lambda cell: cell.provider)
    models_then = _grouped(then, lambda cell: (cell.provider, cell.model))
    for provider, cells in _grouped(now, lambda cell: cell.provider).items():
        total = _sum(cells)
        at_provider = _at_prices_of(providers_then.get(provider, []), total)
        part: Subject = (None, name, provider, None)
        # The quantity that went through it, at its price instead of the average one.
        changes[Driver.PROVIDERS].parts[part] += at_provider - total.quantity * price
        at_models = Fraction()
        for (_, model), these in _grouped(cells, lambda c: (c.provider, c.model)).items():
            sums = _sum(these)
            at_model = _at_prices_of(models_then.get((provider, model), []), sums)
            at_models += at_model
            changes[Driver.PRICES].parts[None, name, provider, model] += sums.amount - at_model
        changes[Driver.MODELS].parts[part] += at_models - at_provider


class _Sum(NamedTuple):
    records: int
    quantity: Fraction
    amount: Fraction


def _sum(cells: Iterable[UsageCell]) -> _Sum:
    records, quantity, amount = 0, ZERO, ZERO
    for cell in cells:
        records += cell.records
        quantity = EXACT.add(quantity, cell.quantity)
        amount = EXACT.add(amount, cell.amount)
    return _Sum(records, Fraction(quantity), Fraction(amount))


def _at_prices_of(then: Sequence[UsageCell], now: _Sum) -> Fraction:
    """The quantity of now at the price of then; where there was none, as it is."""
    were = _sum(then)
    return now.quantity * were.amount / were.quantity if were.quantity else now.amount


def _by_agent(cells: Iterable[UsageCell]) -> set[UUID | None]:
    return {cell.agent for cell in cells}


def _of_agent(cell: UsageCell) -> Subject:
    return (cell.agent, "", "", None)


def _grouped(
    cells: Iterable[UsageCell], key: Callable[[UsageCell], _K]
) -> dict[_K, list[UsageCell]]:
    groups: dict[_K, list[UsageCell]] = defaultdict(list)
    for cell in cells:
        groups[key(cell)].append(cell)
    return groups


def in_cents(changes: Sequence[Effect], difference: Decimal, currency: str) -> list[Decimal]:
    """The amount of each change in the currency's smallest unit, adding up to `difference`: that of
    the bills as they are shown, each rounded once."""
    exact = [as_decimal(change.amount) for change in changes]
    shares = apportion(exact, difference, currency)
    return [from_minor(minor, currency) for minor in shares]


def as_decimal(amount: Fraction) -> Decimal:
    with localcontext(_DIGITS):
        return Decimal(amount.numerator) / amount.denominator
