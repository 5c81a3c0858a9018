"""Base classes of all admin pages: exact money, badges, frozen rows, actions through services."""

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from decimal import Decimal
from functools import wraps
from html import escape
from typing import Any, ClassVar

from django import forms
from django.contrib import messages
from django.contrib.admin import AdminSite
from django.contrib.admin.options import InlineModelAdmin
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django_htmx.http import HttpResponseClientRedirect
from unfold.admin import ModelAdmin
from unfold.contrib.filters.admin import FieldTextFilter
from unfold.decorators import action
from unfold.enums import ActionVariant

from billing.admin.dialogs import ConfirmForm, DialogForm, confirm
from billing.admin.fields import EmptyFormOnce, FormOnce
from billing.admin.frozen import FrozenTable
from billing.admin.lists import Amount, ListMixin
from billing.errors import BillingError
from billing.formats import exact_and_rounded, exact_money

PERIOD_LABELS = {
    "current": "info",
    "finalized": "primary",
    "paid": "success",
    "overdue": "danger",
}


class BillingAdmin(ListMixin, ModelAdmin):
    """The base of every page for staff.

    A broken rule of a service (`BillingError`) becomes a message; nothing was changed then, since
    the admin saves in one transaction.
    """

    # Labels above their fields: several share a line.
    compressed_fields = False
    warn_unsaved_form = True
    show_full_result_count = False
    list_per_page = 25
    list_filter_submit = True
    # Asked of each form by Unfold's templates, which look long for what is not there.
    conditional_fields: ClassVar[dict[str, str]] = {}
    # Asks why, for the log of changes.
    change_form_after_template = "admin/reason.html"

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except BillingError as error:
            messages.error(request, f"Not saved. {error.detail}")
            return HttpResponseRedirect(request.get_full_path())

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> Any:
        context["adminform"] = FormOnce.of(context["adminform"])
        response = super().render_change_form(request, context, add, change, form_url, obj)
        if obj is not None:
            # Now that Django has asked the formsets what tables have no answer to.
            response.context_data["inline_admin_formsets"] += self._tables(request, obj)
        return response

    def get_changeform_initial_data(self, request: HttpRequest) -> dict[str, Any]:
        """Also the row that the list was filtered by from which one comes to add another."""
        found: dict[str, Any] = {}
        filters = QueryDict(request.GET.get("_changelist_filters", ""))
        for field in self.opts.fields:
            wanted = filters.get(f"{field.name}__id__exact") if field.is_relation else None
            if wanted:
                with suppress(ValidationError):  # no id: the form begins without it
                    found[field.name] = field.to_python(wanted)
        return {**found, **super().get_changeform_initial_data(request)}

    def _tables(self, request: HttpRequest, row: Model) -> Iterator[FrozenTable]:
        for inline in self.get_inline_instances(request, row):
            if isinstance(inline, FrozenInlineMixin):
                table = FrozenTable(inline, request, row)
                if table.rows or not inline.hides_empty:
                    yield table

    def get_inline_instances(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Made once for a request: Unfold copies all its widgets for each of them."""
        kept: dict[Any, list[Any]] = request.__dict__.setdefault("_inlines", {})
        key = (type(self), obj and obj.pk)
        if key not in kept:
            kept[key] = super().get_inline_instances(request, obj)
        return list(kept[key])

    def get_formsets_with_inlines(self, request: HttpRequest, obj: Any = None) -> Iterator[Any]:
        """Of what can be edited: the rest is tables (`render_change_form`)."""
        for inline in self.get_inline_instances(request, obj):
            if not isinstance(inline, FrozenInlineMixin):
                made = inline.get_formset(request, obj)
                yield type(made.__name__, (EmptyFormOnce, made), {}), inline

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The last change first: of many, Django's first page has the oldest hundred."""
        answer = super().history_view(request, object_id, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data:
            page = answer.context_data["action_list"]
            page.paginator.object_list = page.paginator.object_list.order_by("-action_time", "-pk")
            answer.context_data["action_list"] = page.paginator.page(page.number)
        return answer

    def has_act_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        """Whether this person may set things going: the right to change, frozen forms or not."""
        return request.user.has_perm(f"{self.opts.app_label}.change_{self.opts.model_name}")

    def attempt(
        self, request: HttpRequest, obj: Model, service: Callable[[], str], *, quiet: bool = False
    ) -> bool:
        """Run one service for `obj`, tell how it went and note who did it; whether it succeeded.

        `service` returns what to say when it succeeded; `quiet` leaves the telling to the caller.
        """
        try:
            message = service()
        except BillingError as error:
            messages.error(request, f"{obj}: {error.detail}")
            return False
        if not quiet:
            messages.success(request, message)
        self.log_change(request, obj, message)
        return True


def take_over(row: Model, saved: Model) -> None:
    """Make `row`, which the admin goes on with, the one that a service has saved."""
    for field in row._meta.concrete_fields:
        setattr(row, field.attname, getattr(saved, field.attname))


def go_to(request: HttpRequest, page: str) -> HttpResponse:
    """To another page, out of a dialog too."""
    if getattr(request, "htmx", False):
        return HttpResponseClientRedirect(page)
    return HttpResponseRedirect(page)


class ExactTextFilter(FieldTextFilter):
    """The whole value; unlike a list of all that occur, it costs nothing to offer."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        value = self.value()
        return queryset.filter(**{self.field_path: value}) if value else queryset


class FrozenAdmin(BillingAdmin):
    """Rows that nobody adds, edits or deletes by hand."""

    warn_unsaved_form = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class FrozenInlineMixin:
    """An inline that only shows."""

    template = "admin/edit_inline/frozen.html"
    # Whether it is left out where there is nothing in it.
    hides_empty = False
    hide_title = True
    extra = 0
    max_num = 0
    can_delete = False
    show_change_link = False

    def __init__(self, parent_model: type[Model], admin_site: AdminSite) -> None:
        # Past Unfold's, which copies all widgets of its fields: there are none.
        InlineModelAdmin.__init__(self, parent_model, admin_site)  # type: ignore[arg-type]

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


class EndForm(forms.ModelForm):
    """The end of a row that is there: all that changes of it, and not to be taken back."""

    def clean_ends_on(self) -> dt.date | None:
        ends_on: dt.date | None = self.cleaned_data["ends_on"]
        if ends_on is None and "ends_on" in self.changed_data:
            raise forms.ValidationError("An end is not taken back: add another one.")
        return ends_on


def asking(
    description: str,
    *,
    icon: str,
    permission: str,
    title: str,
    text: str,
    submit: str,
    form_class: type[DialogForm] = ConfirmForm,
    variant: ActionVariant = ActionVariant.DEFAULT,
) -> Callable[[Callable[..., str]], Any]:
    """A button of a detail page that asks first, in a dialog, and is carried out by POST.

    What it decorates is called with (request, row, form), calls one service and returns what to say
    when that succeeded. Back on the row's page a broken rule of the service is a message.
    """

    def decorate(service: Callable[..., str]) -> Any:
        @action(
            description=description,
            icon=icon,
            variant=variant,
            permissions=[permission],
            dialog={**confirm(title, text, submit), "form_class": form_class},
        )
        @wraps(service)
        def button(
            self: BillingAdmin, request: HttpRequest, form: DialogForm, object_id: str
        ) -> HttpResponse:
            row = self.get_object(request, object_id)
            if row is None:
                raise Http404
            self.attempt(request, row, lambda: service(self, request, row, form))
            page = f"admin:{self.opts.app_label}_{self.opts.model_name}_change"
            return go_to(request, reverse(page, args=[object_id]))

        return button

    return decorate


def amount(value: Decimal | None, currency: str) -> SafeString:
    """Money in whole minor units; the exact amount shows on hovering."""
    if value is None:
        return format_html("–")
    exact, rounded = map(escape, exact_and_rounded(value, currency))
    return Amount(
        f'<span class="tabular-nums whitespace-nowrap" title="{exact}">{rounded}</span>',
        value,
        currency,
    )


def exact_amount(value: Decimal | None, currency: str) -> SafeString:
    """Money with all its decimals."""
    if value is None:
        return format_html("–")
    return Amount(unbroken(exact_money(value, currency)), value, currency)


def when(time: dt.datetime | None) -> str:
    """A time in UTC, to the minute."""
    return unbroken(f"{time.astimezone(dt.UTC):%Y-%m-%d %H:%M}") if time else "–"


def unbroken(text: str) -> SafeString:
    return SafeString(f'<span class="whitespace-nowrap">{escape(text)}</span>')


def labels(choices: Mapping[str, str]) -> dict[str, str]:
    """Colours of badges, by their text as it is shown."""
    return {text.capitalize(): colour for text, colour in choices.items()}
