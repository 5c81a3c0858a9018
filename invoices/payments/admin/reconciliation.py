"""Comparisons with Stripe and what they found, each with its remedy at one click."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone as clock
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.enums import ActionVariant

from billing.admin.base import FrozenAdmin, FrozenInlineMixin, asking
from billing.admin.bulk import Outlook, bulk
from billing.errors import Conflict
from billing.models import User
from invoices.payments.models import Difference, ReconciliationRun
from invoices.payments.services.reconciliation import NoRemedy, apply_remedy


class DifferenceInline(FrozenInlineMixin, TabularInline):
    model = Difference
    fields = ("invoice", "kind", "ours", "theirs", "remedy", "resolved_by")
    readonly_fields = fields
    show_change_link = True


@admin.register(ReconciliationRun)
class ReconciliationRunAdmin(FrozenAdmin):
    list_display = ("started_at", "finished_at", "days", "checked", "healed", "error")
    fields = (("started_at", "finished_at", "days"), ("checked", "healed"), "error")
    inlines = (DifferenceInline,)


@admin.register(Difference)
class DifferenceAdmin(FrozenAdmin):
    list_display = ("__str__", "invoice", "kind", "ours", "theirs", "state", "remedy")
    list_filter = ("kind", ("resolved_at", admin.EmptyFieldListFilter))
    search_fields = ("invoice__number", "=stripe_invoice_id")
    list_select_related = ("invoice", "run")
    fields = (
        ("invoice", "stripe_invoice_id", "run"),
        ("kind", "ours", "theirs"),
        ("state", "remedy", "resolved_at", "resolved_by"),
    )
    actions = ("remedy_selected",)
    actions_detail = ("put_right",)

    @display(description="State", label={"Open": "danger", "Resolved": "success"})
    def state(self, difference: Difference) -> str:
        return "Open" if difference.resolved_at is None else "Resolved"

    @asking(
        "Put right",
        icon="healing",
        variant=ActionVariant.PRIMARY,
        permission="put_right",
        title="Put this difference right?",
        text="What “remedy” says is done, here or in Stripe, and the difference is resolved.",
        submit="Put right",
    )
    def put_right(self, request: HttpRequest, difference: Difference, form: Any) -> str:
        return self._apply(request, difference)

    def will_be_put_right(self, request: HttpRequest, difference: Difference) -> Outlook:
        if difference.resolved_at is not None:
            raise Conflict(f"{difference.resolved_by} has resolved it.")
        if not difference.remedy:
            raise NoRemedy("There is no remedy by one click for this: please look into Stripe.")
        said = f"{difference.get_remedy_display()}. Here: {difference.ours or 'nothing'}."
        return Outlook(f"{said} In Stripe: {difference.theirs or 'nothing'}.")

    @bulk(
        "Put right",
        title="Put these differences right?",
        text="What each remedy says is done, here or in Stripe, if it is still so by then.",
        submit="Put right",
        will=will_be_put_right,
    )
    def remedy_selected(self, request: HttpRequest, difference: Difference, asked: Any) -> str:
        return self._apply(request, difference)

    def has_put_right_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        return (
            self.has_act_permission(request)
            and Difference.objects.filter(Difference.OPEN, pk=object_id).exclude(remedy="").exists()
        )

    def _apply(self, request: HttpRequest, difference: Difference) -> str:
        assert isinstance(request.user, User)
        apply_remedy(difference_id=UUID(str(difference.pk)), actor=request.user, now=clock.now())
        return f"{difference}: {difference.get_remedy_display().lower()} is done."
