"""Lines of invoices against the totals of their periods: made anew, and compared one by one."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal, localcontext
from typing import Any, NamedTuple
from uuid import UUID

from billing.charges import frozen_charges
from billing.models import BillingPeriod
from billing.money import EXACT, from_minor
from invoices.models import Invoice, InvoiceItem
from invoices.services.closing.lines import InvoiceLine, amounts_minor, build_lines
from invoices.services.closing.reversals import given_back
from invoices.services.closing.sums import usage_sums, with_meters
from invoices.services.ledger.periods import closed_periods
from usage.queries.meters import meter_as_json
from usage.queries.net import frozen_meters
from usage.services.ledger import LedgerDifference, Scope


class _Column(NamedTuple):
    """What one line comes to; `amount` is its share of what is charged."""

    kind: str
    description: str
    tax_class: str
    resource_type: str
    usage_month: str
    quantity: Decimal
    unit_price: Decimal
    exact_amount: Decimal
    adjustment: Decimal
    meters: list[dict[str, Any]]
    amount: Decimal


def item_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where an invoice's lines are not those that its period's rollups and charges make."""
    for periods in closed_periods(scope):
        invoices: dict[UUID, list[Invoice]] = defaultdict(list)
        billed = Invoice.objects.filter(billing_period__in=[period.pk for period in periods])
        for invoice in billed.prefetch_related("items").order_by("number"):
            if invoice.billing_period_id is not None:
                invoices[invoice.billing_period_id].append(invoice)
        some = [period for period in periods if period.pk in invoices]
        for period, lines in expected_lines(some):
            for invoice in invoices[period.pk]:
                detail = first_difference(lines, invoice)
                if detail:
                    yield LedgerDifference(
                        "period and items", period.workspace_id, period.pk, detail
                    )


def expected_lines(
    periods: Sequence[BillingPeriod],
) -> Iterator[tuple[BillingPeriod, list[InvoiceLine]]]:
    """The lines that each closed period's rollups, meters, charges and credit make."""
    ids = [period.pk for period in periods]
    charges, meters = frozen_charges(ids), frozen_meters(ids)
    usage = usage_sums(periods) if periods else {}
    credited = given_back(periods)
    for period in periods:
        # Sums may be longer than the 28 digits that arithmetic keeps by default.
        with localcontext(EXACT):
            lines = build_lines(
                charges=charges.get(period.pk, []),
                usage=with_meters(usage.get(period.pk, []), meters.get(period.pk, [])),
                credit=period.credit_brought_forward,
                given_back=credited.get(period.pk, {}),
            )
        yield period, lines


def _tax_class(line: InvoiceLine | InvoiceItem) -> str:
    """That of a line by hand is decided on with the tax of its document."""
    return "" if line.kind == InvoiceItem.Kind.MANUAL else line.tax_class


def first_difference(lines: Sequence[InvoiceLine], invoice: Invoice) -> str:
    """In what an invoice's lines differ first from `lines`; empty where they do not."""
    amounts = amounts_minor(lines, invoice.currency)
    items = list(invoice.items.all())
    expected = [
        _Column(
            line.kind,
            line.description[:200],
            _tax_class(line),
            line.resource_type,
            str(line.usage_month or ""),
            line.quantity,
            line.unit_price,
            line.exact_amount,
            line.adjustment,
            [meter_as_json(meter) for meter in line.meters],
            from_minor(amount, invoice.currency),
        )
        for line, amount in zip(lines, amounts, strict=True)
    ]
    billed = [
        _Column(
            item.kind,
            item.description,
            _tax_class(item),
            item.resource_type,
            str(item.usage_month or ""),
            item.quantity,
            item.unit_price,
            item.exact_amount,
            item.adjustment,
            item.meters,
            item.amount,
        )
        for item in items
    ]
    for number, (made, there) in enumerate(zip(expected, billed, strict=False), start=1):
        for name, is_made, is_there in zip(_Column._fields, made, there, strict=True):
            if is_made != is_there:
                return (
                    f"{invoice.number}, line {number} ({there.resource_type or there.kind}):"
                    f" {name} is {is_there}, the period's sums make it {is_made}"
                )
    for number, item in enumerate(items, start=1):
        if not invoice.prices_include_tax and item.net != item.amount:
            return f"{invoice.number}, line {number}: net is {item.net}, its amount {item.amount}"
    if len(items) != len(expected):
        return f"{invoice.number} has {len(items)} lines, the period's sums make {len(expected)}"
    return ""
