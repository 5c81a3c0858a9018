"""What of an invoice notes take back: worked numbers, the peers' cases, and laws."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from invoices.credited import (
    BilledLine,
    Group,
    TooMuch,
    credit_lines,
    credit_total,
    left_of_lines,
)

VAT = ("S", Decimal(20))
NONE = ("", Decimal(0))


def tax_of(net: int, rate: str) -> int:
    return int((net * Decimal(rate) / 100).quantize(Decimal(1), rounding="ROUND_HALF_UP"))


class Held:
    """An invoice in the course of its notes."""

    def __init__(self, nets: list[int], rate: str = "20", *, discount: int = 0) -> None:
        self.rate = ("S", Decimal(rate))
        self.lines = [BilledLine(n, net, 0, self.rate) for n, net in enumerate(nets)]
        if discount:
            self.lines.append(BilledLine("discount", -discount, 0, self.rate))
        net = sum(nets) - discount
        self.group = Group(net, tax_of(net, rate))

    def take(self, item: int, net: int | None = None) -> tuple[int, int, int]:
        wanted = left_of_lines(self.lines)[item] if net is None else net
        credited = credit_lines({item: wanted}, self.lines, {self.rate: self.group})
        self._note(credited)
        return credited.net, credited.tax, credited.total

    def take_total(self, total: int) -> tuple[int, int, int]:
        credited = credit_total(total, self.lines, {self.rate: self.group})
        self._note(credited)
        return credited.net, credited.tax, credited.total

    def _note(self, credited) -> None:
        self.lines = [
            line._replace(credited=line.credited + credited.items.get(line.id, 0))
            for line in self.lines
        ]
        self.group = Group(self.group.net - credited.net, self.group.tax - credited.tax)


def test_each_note_rounds_its_own_tax_and_the_last_takes_exactly_the_rest() -> None:
    invoice = Held([6833, 6833, 6833, 6833])
    assert invoice.group == Group(27332, 5466)
    steps = [(0, 6833), (1, 6833), (2, 6833), (3, 1367), (3, 2233), (3, 3233)]
    taxes = [invoice.take(item, net)[1] for item, net in steps]
    assert taxes == [1367, 1367, 1367, 273, 447, 645]
    assert invoice.group == Group(0, 0)


def test_a_line_holds_its_net_less_its_share_of_the_discount() -> None:
    invoice = Held([1999, 6833, 20033], discount=1000)
    assert [invoice.take(item) for item in (0, 1, 2)] == [
        (1930, 386, 2316),
        (6596, 1319, 7915),
        (19339, 3868, 23207),
    ]
    assert invoice.group == Group(0, 0)


@pytest.mark.parametrize(
    ("nets", "rate", "net", "tax"),
    [
        ([16000], "25", 15467, 3867),
        ([3100], "20", 1600, 320),
        ([3100], "20", 1400, 280),
        ([3100], "20", 1700, 340),
        ([2233], "20", 2233, 447),
        ([800], "25", 800, 200),
        ([800], "25", 400, 100),
        ([1000], "25", 1000, 250),
        ([1000], "25", 100, 25),
        ([1000], "0", 1000, 0),
        # 999 for 15 of 30 days are 499.5.
        ([999], "0", 500, 0),
    ],
)
def test_tax_is_the_notes_net_at_the_invoices_rate(nets, rate, net, tax) -> None:
    assert Held(nets, rate).take(0, net) == (net, tax, net + tax)


def test_of_a_line_with_a_discount_its_share_is_asked_for_and_taxed() -> None:
    """1,600 of a line of 3,100 less 1,000 were paid with 1,084, and 217 of tax."""
    assert Held([3100], discount=1000).take(0, 1084) == (1084, 217, 1301)


@pytest.mark.parametrize(
    ("net", "tax_rate", "totals", "expected"),
    [
        (1000, "25", [375, 375], [(300, 75), (300, 75)]),
        (800, "25", [500, 500], [(400, 100), (400, 100)]),
        (1000, "25", [100], [(80, 20)]),
        (1000, "25", [1250], [(1000, 250)]),
    ],
)
def test_money_back_is_cut_into_net_and_tax_as_the_invoice_is(net, tax_rate, totals, expected):
    invoice = Held([net], tax_rate)
    assert [invoice.take_total(total)[:2] for total in totals] == expected


def test_twenty_back_of_two_lines_without_tax_is_shared_by_what_they_hold() -> None:
    lines = [BilledLine("fee", 4900, 0, NONE), BilledLine("minutes", 1234, 0, NONE)]
    credited = credit_total(2000, lines, {NONE: Group(6134, 0)})
    assert credited.items == {"fee": 1598, "minutes": 402}
    assert (credited.net, credited.tax) == (2000, 0)


def test_more_than_a_line_or_the_invoice_holds_is_refused() -> None:
    lines = [BilledLine("fee", 4900, 4000, NONE)]
    with pytest.raises(TooMuch) as refused:
        credit_lines({"fee": 901}, lines, {NONE: Group(900, 0)})
    assert (refused.value.left, refused.value.id) == (900, "fee")
    with pytest.raises(TooMuch) as refused:
        credit_total(901, lines, {NONE: Group(900, 0)})
    assert refused.value.left == 900


@given(
    nets=st.lists(st.integers(1, 10**7), min_size=1, max_size=6),
    discount=st.integers(0, 10**5),
    rate=st.sampled_from(["0", "7", "19", "20", "8.1", "25"]),
    parts=st.lists(st.integers(1, 10**6), max_size=6),
)
def test_notes_never_come_to_more_than_the_invoice_and_can_come_to_all_of_it(
    nets, discount, rate, parts
) -> None:
    if discount >= sum(nets):
        return
    invoice = Held(nets, rate, discount=discount)
    whole = invoice.group
    taken = [0, 0]
    for part in [*parts, None]:
        left = invoice.group.net + invoice.group.tax
        amount = left if part is None else min(part, left)
        if not amount:
            continue
        net, tax, total = invoice.take_total(amount)
        assert total == amount
        taken = [taken[0] + net, taken[1] + tax]
        assert invoice.group.net >= 0
        assert invoice.group.tax >= 0
        assert sum(left_of_lines(invoice.lines).values()) == invoice.group.net
    assert taken == [whole.net, whole.tax]
