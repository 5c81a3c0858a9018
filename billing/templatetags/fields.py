"""Fields of the admin's forms (`billing.admin.fields`)."""

from typing import Any

from django import template

from billing.admin.fields import rows

register = template.Library()


@register.simple_tag
def field_rows(fieldset: Any) -> Any:
    return rows(fieldset)
