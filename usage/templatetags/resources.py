"""Template filters for names and units of resource types and providers; rows of lists."""

from typing import Any
from urllib.parse import quote

from django import template
from django.utils.safestring import SafeString

from usage import rows
from usage.resources import provider_name, resource

register = template.Library()
register.filter(provider_name)


@register.filter
def resource_label(resource_type: str) -> str:
    return resource(resource_type).label


@register.filter
def resource_unit(resource_type: str) -> str:
    return resource(resource_type).unit


@register.simple_tag(takes_context=True)
def call_rows(context: template.Context, calls: Any) -> SafeString:
    return rows.call_rows(
        calls,
        workspace_id=context["workspace"].pk,
        currency=context["currency"],
        exact=bool(context["request"].GET.get("exact")),
        back=_back(context),
    )


@register.simple_tag(takes_context=True)
def dearest_rows(context: template.Context, calls: Any) -> SafeString:
    return rows.dearest_rows(
        calls,
        workspace_id=context["workspace"].pk,
        currency=context["currency"],
        back=_back(context),
    )


@register.simple_tag(takes_context=True)
def record_rows(context: template.Context, records: Any) -> SafeString:
    return rows.record_rows(
        records,
        workspace_id=context["workspace"].pk,
        currency=context["currency"],
        shows_cost=context["shows_cost"],
        back=_back(context),
    )


def _back(context: template.Context) -> str:
    return quote(context["request"].get_full_path(), safe="")
