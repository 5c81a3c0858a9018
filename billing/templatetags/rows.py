"""The buttons above a row's page of the admin."""

import re
from typing import Any

from django.template import Library, RequestContext
from django.utils.safestring import SafeString
from django.utils.translation import get_language
from unfold.templatetags.unfold import action_list

register = Library()
_PLACE = "00000000-0000-0000-0000-000000000000"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Of a process: some for each kind of row, and for what people may do with it.
_MOST = 500
_kept: dict[tuple[Any, ...], str] = {}


@register.simple_tag(takes_context=True)
def row_actions(context: RequestContext) -> str:
    """As Unfold's `action_list`, which takes a template for each button and its attributes.

    They are the same for all rows of a kind with which one may do the same, but for the row's id in
    their addresses: made once, and given each row's.
    """
    row_id = str(context.get("object_id") or "")
    # Another kind of id may be written otherwise in an address, and a number stand for all sorts.
    if not _UUID.fullmatch(row_id):
        return action_list(context)
    parts = tuple(
        str(context.get(name)).replace(row_id, _PLACE)
        for name in ("actions_detail", "actions_list", "actions_items", "nav_global")
    )
    key = (
        get_language(),
        *parts,
        context.get("actions_detail_hide_default"),
        context.get("actions_list_hide_default"),
    )
    made = _kept.get(key)
    if made is None:
        if len(_kept) >= _MOST:
            _kept.clear()
        made = _kept[key] = action_list(context).replace(row_id, _PLACE)
    return SafeString(made.replace(_PLACE, row_id))
