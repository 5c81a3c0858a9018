"""Parts of the admin's lists (`billing.admin.lists.ListMixin`): rows, files, chips and sums."""

from typing import Any

from django import template

register = template.Library()


@register.simple_tag
def filter_chips(changes: Any) -> Any:
    return changes.model_admin.chips(changes)


@register.simple_tag
def file_link(changes: Any, file_format: str) -> Any:
    return changes.model_admin.file_link(changes, file_format)


@register.simple_tag
def list_sums(changes: Any) -> Any:
    return changes.model_admin.sums(changes)


@register.simple_tag
def list_rows(changes: Any) -> Any:
    """None for lists whose rows are left to Unfold."""
    make = getattr(changes.model_admin, "rows", None)
    return make(changes) if make else None
