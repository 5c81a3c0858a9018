"""The admin's search from every page: customers, documents, calls and records, a few of each."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from unfold.dataclasses import SearchResult

from billing.id_ranges import ids_beginning
from billing.links import admin_page
from billing.models import User, Workspace
from invoices.models import CreditNote, Invoice
from invoices.payments.models import CallDispute, Chargeback
from usage.models import Call, UsageRecord, VoiceAgent

_MAX_FOUND = 6
# What is searched by more than an id, as its list is; and what is found by an id, or its first
# eight characters, alone.
_BY_TEXT: tuple[tuple[type[Model], str], ...] = (
    (Workspace, "domain"),
    (Invoice, "receipt_long"),
    (CreditNote, "undo"),
    (Chargeback, "gavel"),
    (User, "person"),
    (VoiceAgent, "support_agent"),
)
_BY_ID: tuple[tuple[type[Model], str], ...] = (
    (Call, "call"),
    (CallDispute, "voice_chat"),
    (UsageRecord, "list_alt"),
)


def found(request: HttpRequest, term: str) -> list[SearchResult]:
    """By number, customer, e-mail, amount, Stripe id, call id: whatever each list searches."""
    models = _BY_TEXT + (_BY_ID if ids_beginning(term) else ())
    results = []
    for model, icon in models:
        shown = admin.site.get_model_admin(model)
        if not shown.has_view_permission(request):
            continue
        everything = shown.get_queryset(request).select_related(*_named_with(model))
        rows, _ = shown.get_search_results(request, everything, term)
        for row in rows[:_MAX_FOUND]:
            results.append(SearchResult(str(row), _about(row), _page_of(row), icon))
    return results


def _named_with(model: type[Model]) -> list[str]:
    """What a row's title needs besides the row."""
    return ["workspace"] if any(each.name == "workspace" for each in model._meta.fields) else []


def _about(row: Model) -> str:
    kind = str(row._meta.verbose_name).capitalize()
    workspace = getattr(row, "workspace", None)
    return f"{kind} of {workspace}" if workspace else kind


def _page_of(row: Model) -> str:
    if isinstance(row, Workspace):
        return reverse("finance:customer", args=[row.pk])
    return admin_page(row)
