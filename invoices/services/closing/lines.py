"""What an invoice says: lines from a period's sums. Pure functions, no database.

A line's exact amount is the sum of its records' list prices and of what its meters add to them; its
`amount` in minor units is its share of the rounded total by largest remainder
(`billing.money.allocate`), so lines always add up to the total.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from uuid import UUID

from billing.money import EXACT, ZERO, allocate
from billing.rating.charges import Charge, ChargeKind
from invoices.models import InvoiceItem
from usage.queries.meters import Meter
from usage.resources import LABELS, resource_name

Kind = InvoiceItem.Kind
ONE = Decimal(1)
_PRICE_STEP = Decimal("1E-10")
_ORDER = {name: place for place, name in enumerate(LABELS)}


@dataclass(frozen=True, slots=True)
class UsageSum:
    """Sums of one resource type; `late_month` is the first day of the month of late usage.

    `final_cost` is at list price; `meters` say what the period's tiers and included units add."""

    resource_type: str
    late_month: dt.date | None
    records: int
    quantity: Decimal
    final_cost: Decimal
    meters: Sequence[Meter] = ()

    @property
    def adjustment(self) -> Decimal:
        return sum((meter.adjustment for meter in self.meters), ZERO)

    @property
    def net(self) -> Decimal:
        return self.final_cost + self.adjustment


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    kind: str
    description: str
    quantity: Decimal
    unit_price: Decimal
    exact_amount: Decimal
    resource_type: str = ""
    usage_month: dt.date | None = None
    adjustment: Decimal = ZERO
    meters: Sequence[Meter] = ()
    tax_class: str = ""
    manual_item_id: UUID | None = None


# What is charged before the usage, and after it.
_FEES = (ChargeKind.SUBSCRIPTION, ChargeKind.ADD_ON)
_ON_TOP = (ChargeKind.DISCOUNT, ChargeKind.COMMITMENT, ChargeKind.MANUAL)


def build_lines(
    *,
    charges: Sequence[Charge],
    usage: Iterable[UsageSum],
    credit: Decimal,
    given_back: Mapping[dt.date, Decimal],
) -> list[InvoiceLine]:
    """Fees, usage by type, late usage by month, discounts, a commitment's shortfall, what was
    added by hand, credit.

    Lines of nothing are left out. `credit` is zero or negative: what earlier periods owed back.
    `given_back` is by month what credit notes took over of its late reversals.
    """
    sums = list(usage)
    lines = _charged(charges, _FEES)
    in_time = [each for each in sums if each.late_month is None]
    for each in sorted(in_time, key=_place):
        if each.quantity or each.final_cost or each.net:
            lines.append(
                InvoiceLine(
                    Kind.USAGE,
                    resource_name(each.resource_type),
                    each.quantity,
                    average_price(each.net, each.quantity),
                    each.net,
                    resource_type=each.resource_type,
                    adjustment=each.adjustment,
                    meters=each.meters,
                )
            )
    for month in sorted({each.late_month for each in sums if each.late_month is not None}):
        # Minutes and characters cannot be added up: the line counts itself once.
        late = [each for each in sums if each.late_month == month]
        credited = given_back.get(month, ZERO)
        amount = sum((each.net for each in late), credited)
        if credited and not amount:
            continue
        lines.append(
            InvoiceLine(
                Kind.LATE_USAGE,
                f"Late usage, {month:%B %Y}",
                ONE,
                amount,
                amount,
                usage_month=month,
                adjustment=sum((each.adjustment for each in late), ZERO),
                meters=[meter for each in late for meter in each.meters],
            )
        )
    lines += _charged(charges, _ON_TOP)
    if credit:
        lines.append(InvoiceLine(Kind.CREDIT, "Credit brought forward", ONE, credit, credit))
    return lines


def _charged(charges: Sequence[Charge], kinds: Sequence[ChargeKind]) -> list[InvoiceLine]:
    return [
        InvoiceLine(
            Kind(charge.kind),
            charge.description,
            charge.quantity,
            average_price(charge.amount, charge.quantity),
            charge.amount,
            tax_class=charge.tax_class,
            manual_item_id=UUID(charge.source_id) if charge.kind == ChargeKind.MANUAL else None,
        )
        for charge in charges
        if charge.kind in kinds and charge.amount
    ]


def average_price(amount: Decimal, quantity: Decimal) -> Decimal:
    """`amount / quantity` to 10 decimals, half-even: records of one type may differ in price."""
    if not quantity:
        return ZERO
    with localcontext(EXACT):
        return (amount / quantity).quantize(_PRICE_STEP, rounding=ROUND_HALF_EVEN)


def amounts_minor(lines: Sequence[InvoiceLine], currency: str) -> list[int]:
    return allocate([line.exact_amount for line in lines], currency)


def _place(each: UsageSum) -> tuple[int, str]:
    return _ORDER.get(each.resource_type, len(_ORDER)), each.resource_type
