"""The lines below an invoice."""

from unfold.admin import TabularInline
from unfold.decorators import display

from billing.admin.base import FrozenInlineMixin, amount
from billing.formats import exact_money, quantity
from invoices.models import InvoiceItem


class ItemInline(FrozenInlineMixin, TabularInline):
    model = InvoiceItem
    verbose_name_plural = "lines"
    fields = ("description", "used", "price", "exact", "charged")
    readonly_fields = fields
    ordering_field = None

    @display(description="Quantity")
    def used(self, item: InvoiceItem) -> str:
        return quantity(item.quantity)

    @display(description="Unit price")
    def price(self, item: InvoiceItem) -> str:
        return exact_money(item.unit_price, item.invoice.currency)

    @display(description="Exact amount")
    def exact(self, item: InvoiceItem) -> str:
        return exact_money(item.exact_amount, item.invoice.currency)

    @display(description="Amount")
    def charged(self, item: InvoiceItem) -> str:
        return amount(item.amount, item.invoice.currency)
