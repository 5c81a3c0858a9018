"""What Stripe Tax is asked, and its answers."""

from django.contrib import admin
from django.utils.html import format_html_join
from django.utils.safestring import mark_safe
from unfold.decorators import display

from billing.admin.base import FrozenAdmin, when
from invoices.models import TaxCalculation


@admin.register(TaxCalculation)
class TaxCalculationAdmin(FrozenAdmin):
    """Tried again, or given up, under Waiting work."""

    list_display = ("workspace", "period", "asked", "state", "tax", "answered", "calculation_id")
    list_filter = ("status", "blocked_reason")
    search_fields = ("workspace__name", "calculation_id")
    list_select_related = ("workspace", "period__workspace")
    fieldsets = (
        (
            None,
            {
                "fields": (
                    ("workspace", "period"),
                    ("asked", "amounts", "place"),
                    ("state", "attempts", "next_attempt_at"),
                    "last_error",
                    ("answered", "calculation_id", "tax"),
                    "shares",
                )
            },
        ),
    )

    @display(description="Asked", ordering="requested_at")
    def asked(self, row: TaxCalculation) -> str:
        return when(row.requested_at)

    @display(description="Answered", ordering="answered_at")
    def answered(self, row: TaxCalculation) -> str:
        return when(row.answered_at)

    @display(
        description="Status", ordering="status", label={"Done": "success", "Blocked": "danger"}
    )
    def state(self, row: TaxCalculation) -> str:
        return row.get_status_display()

    @display(description="Tax")
    def tax(self, row: TaxCalculation) -> str:
        return f"{row.answer['tax']} {row.question['currency']}" if row.answer else "–"

    @display(description="Amounts")
    def amounts(self, row: TaxCalculation) -> str:
        currency = row.question["currency"]
        lines = [
            (line["amount"], currency, line["tax_class"], line["code"])
            for line in row.question["lines"]
        ]
        return format_html_join(mark_safe("<br>"), "{} {}: {}, {}", lines)

    @display(description="Place")
    def place(self, row: TaxCalculation) -> str:
        address = row.question["address"]
        said = (address["city"], address["state"], address["postal_code"])
        return ", ".join(part for part in said if part)

    @display(description="By jurisdiction")
    def shares(self, row: TaxCalculation) -> str:
        shares = [
            (share["jurisdiction"], share["percent"], share["taxable"], share["tax"])
            for line in (row.answer or {"lines": []})["lines"]
            for share in line["shares"]
        ]
        return format_html_join(mark_safe("<br>"), "{}: {} % of {}: {}", shares) or "–"
