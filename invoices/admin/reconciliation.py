"""Comparisons with Stripe and what they found."""

from django.contrib import admin
from unfold.admin import TabularInline
from unfold.decorators import display

from billing.admin.base import FrozenAdmin, FrozenInlineMixin
from invoices.models import Difference, ReconciliationRun


class DifferenceInline(FrozenInlineMixin, TabularInline):
    model = Difference
    fields = ("invoice", "kind", "ours", "theirs", "resolved_by")
    readonly_fields = fields
    show_change_link = True


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(FrozenAdmin):
    list_display = ("started_at", "finished_at", "days", "checked", "healed", "error")
    fields = (("started_at", "finished_at", "days"), ("checked", "healed"), "error")
    inlines = (DifferenceInline,)


@admin.register(Difference)
class DifferenceAdmin(FrozenAdmin):
    list_display = ("__str__", "invoice", "kind", "ours", "theirs", "state", "resolved_by")
    list_filter = ("kind", ("resolved_at", admin.EmptyFieldListFilter))
    search_fields = ("invoice__number", "=stripe_invoice_id")
    list_select_related = ("invoice", "run")
    fields = (
        ("invoice", "stripe_invoice_id", "run"),
        ("kind", "ours", "theirs"),
        ("state", "remedy", "resolved_at", "resolved_by"),
    )

    @display(description="State", label={"Open": "danger", "Resolved": "success"})
    def state(self, difference: Difference) -> str:
        return "Open" if difference.resolved_at is None else "Resolved"
