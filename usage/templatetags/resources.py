"""Template filters for names and units of resource types and providers."""

from django import template

from usage.resources import provider_name, resource

register = template.Library()
register.filter(provider_name)


@register.filter
def resource_label(resource_type: str) -> str:
    return resource(resource_type).label


@register.filter
def resource_unit(resource_type: str) -> str:
    return resource(resource_type).unit
