"""How much of an invoice a credit note takes back, line by line and rate by rate. Pure functions.

All amounts are whole charge steps: cents, or tens of fils. A line holds its net less its share of
the negative lines (discounts, credits) of its rate. Tax is the note's own net times the rate,
rounded once; the note that takes the last of a rate takes exactly what is left of its tax, so that
all notes together never come to more than the invoice, and can come to all of it.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple, TypeVar

from billing.money import EXACT, largest_remainder

Rate = tuple[str, Decimal]
Key = TypeVar("Key")


class BilledLine(NamedTuple):
    """A line of the invoice: its net, what earlier notes took of it, and its tax category, rate."""

    id: Any
    net: int
    credited: int
    rate: Rate


class Group(NamedTuple):
    """What is left of all lines of one category and rate: net, and the tax on it.

    Tax that was calculated elsewhere need not be the net times the rate: a note takes of it in the
    proportion of its net.
    """

    net: int
    tax: int
    is_calculated: bool = False


class Credited(NamedTuple):
    """Net by line, and (net, tax) by rate."""

    items: dict[Any, int]
    taxes: dict[Rate, Group]

    @property
    def net(self) -> int:
        return sum(group.net for group in self.taxes.values())

    @property
    def tax(self) -> int:
        return sum(group.tax for group in self.taxes.values())

    @property
    def total(self) -> int:
        return self.net + self.tax


class TooMuch(ValueError):
    """More than is left: `left` says how much is, of `id` or of all (None)."""

    def __init__(self, left: int, id: Any = None) -> None:
        super().__init__(f"Only {left} is left.")
        self.left = left
        self.id = id


def left_of_lines(lines: Sequence[BilledLine]) -> dict[Any, int]:
    """What may still be taken back of each line, before tax."""
    by_rate: dict[Rate, list[BilledLine]] = defaultdict(list)
    for line in lines:
        by_rate[line.rate].append(line)
    left: dict[Any, int] = {}
    for group in by_rate.values():
        positive = {line.id: line.net for line in group if line.net > 0}
        taken = -sum(line.net for line in group if line.net < 0)
        shares = share(min(taken, sum(positive.values())), positive)
        for line in group:
            if line.net > 0:
                left[line.id] = max(0, line.net - shares[line.id] - line.credited)
    return left


def share(amount: int, weights: Mapping[Key, int]) -> dict[Key, int]:
    """`amount` by `weights`, largest remainders first; no part above its weight."""
    total = sum(weights.values())
    if not total:
        return dict.fromkeys(weights, 0)
    exact = [EXACT.divide(Decimal(amount * weight), total) for weight in weights.values()]
    return dict(zip(weights, largest_remainder(exact, amount), strict=True))


def credit_lines(
    wanted: Mapping[Any, int], lines: Sequence[BilledLine], groups: Mapping[Rate, Group]
) -> Credited:
    """Take `wanted` of each line, before tax. Raises `TooMuch`."""
    left = left_of_lines(lines)
    rate_of = {line.id: line.rate for line in lines}
    nets: dict[Rate, int] = defaultdict(int)
    for line_id, net in wanted.items():
        if net > left.get(line_id, 0):
            raise TooMuch(left.get(line_id, 0), line_id)
        nets[rate_of[line_id]] += net
    taxes = {rate: Group(net, _tax(net, rate, groups[rate])) for rate, net in nets.items()}
    return Credited({key: net for key, net in wanted.items() if net}, taxes)


def credit_total(total: int, lines: Sequence[BilledLine], groups: Mapping[Rate, Group]) -> Credited:
    """Take `total`, tax included, of all lines in proportion. Raises `TooMuch`."""
    gross = {rate: group.net + group.tax for rate, group in groups.items()}
    if total > sum(gross.values()):
        raise TooMuch(sum(gross.values()))
    left = left_of_lines(lines)
    items: dict[Any, int] = {}
    taxes: dict[Rate, Group] = {}
    for rate, part in share(total, gross).items():
        if not part:
            continue
        group = groups[rate]
        tax = _round(Decimal(part * group.tax), gross[rate])
        tax = min(max(tax, part - group.net), group.tax, part)
        taxes[rate] = Group(part - tax, tax)
        own = {line.id: left[line.id] for line in lines if line.rate == rate and line.net > 0}
        items |= {key: net for key, net in share(part - tax, own).items() if net}
    return Credited(items, taxes)


def _tax(net: int, rate: Rate, group: Group) -> int:
    if net >= group.net:
        return group.tax
    if group.is_calculated:
        return _round(Decimal(net * group.tax), group.net)
    return min(_round(net * rate[1], 100), group.tax)


def _round(numerator: Decimal, denominator: int) -> int:
    return int(
        EXACT.divide(numerator, Decimal(denominator)).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    )
