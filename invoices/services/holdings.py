"""What of an invoice may still be credited: line by line, rate by rate, and in all."""

from decimal import Decimal
from typing import NamedTuple

from billing.money import ZERO, to_charge_steps
from invoices.credited import BilledLine, Group, Rate
from invoices.models import CreditNote, CreditNoteTax, Invoice, InvoiceItem

CREDITABLE = (*Invoice.UNPAID, Invoice.Status.PAID, Invoice.Status.UNCOLLECTIBLE)


class Holdings(NamedTuple):
    """What is left of an invoice to be credited, in charge steps."""

    lines: list[BilledLine]
    groups: dict[Rate, Group]
    names: dict[Rate, str]


def rate_of(item: InvoiceItem) -> Rate:
    """Nothing, at nothing, where no tax was decided on."""
    return item.tax_category, item.tax_rate or ZERO


def holdings(invoice: Invoice) -> Holdings:
    """What earlier notes have left of each line and rate."""
    currency = invoice.currency
    lines = [
        BilledLine(
            item.pk,
            to_charge_steps(item.net, currency),
            to_charge_steps(item.net_credited, currency),
            rate_of(item),
        )
        for item in invoice.items.all()
    ]
    taxes = {(each.category, each.rate): each for each in invoice.taxes.all()}
    issued = CreditNoteTax.objects.filter(
        credit_note__invoice=invoice, credit_note__status=CreditNote.Status.ISSUED
    )
    groups: dict[Rate, Group] = {}
    for rate in dict.fromkeys(line.rate for line in lines):
        net = sum(line.net for line in lines if line.rate == rate)
        tax = to_charge_steps(taxes[rate].tax, currency) if rate in taxes else 0
        for given in issued:
            if (given.category, given.rate) == rate:
                net -= to_charge_steps(given.base, currency)
                tax -= to_charge_steps(given.tax, currency)
        # A credit at a rate of its own leaves less than nothing of it: nothing is taken back there.
        is_calculated = rate in taxes and taxes[rate].is_calculated
        groups[rate] = Group(max(net, 0), max(tax, 0), is_calculated)
    return Holdings(lines, groups, {rate: each.name for rate, each in taxes.items()})


class Left(NamedTuple):
    """Of the whole invoice, whose lines may hold more where another rate has a credit."""

    net: Decimal
    tax: Decimal
    total: Decimal

    def holds(self, *, net: Decimal, tax: Decimal) -> bool:
        return net <= self.net and tax <= self.tax and net + tax <= self.total


def left_of(invoice: Invoice) -> Left:
    return Left(
        max(invoice.net - invoice.net_credited, ZERO),
        max(invoice.tax - invoice.tax_credited, ZERO),
        invoice.amount - invoice.net_credited - invoice.tax_credited,
    )
