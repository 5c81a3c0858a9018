"""A row's page whose tabs are pages of their own: `?part=members` has the members and no more.

A table that can be edited is a template for each of its fields. With nine of them, whoever opened
a workspace waited for eight that they did not look at.
"""

from collections.abc import Iterator
from copy import copy
from functools import cached_property
from typing import Any

from django.contrib.admin.options import InlineModelAdmin
from django.db.models import Model
from django.forms.models import _get_foreign_key
from django.http import HttpRequest
from django.utils.text import capfirst

from billing.admin.base import BillingAdmin

_PARAMETER = "part"


def _is_editable(formset: Any) -> bool:
    return (
        formset.has_add_permission or formset.has_change_permission or formset.has_delete_permission
    )


class PartsAdmin(BillingAdmin):
    """Each of its `inlines` is a part; what is no part's is the first tab, `General`."""

    @cached_property
    def _names(self) -> dict[type[InlineModelAdmin], str]:
        """As formsets are called: by the other side of the relation."""
        found = {}
        for inline in self.inlines:
            key = _get_foreign_key(self.model, inline.model, fk_name=inline.fk_name)
            found[inline] = key.remote_field.get_accessor_name(model=inline.model)
        return found

    @cached_property
    def _made(self) -> list[Any]:
        """Each is given a copy of all widgets of Unfold's: made once, and copied for a page."""
        return [inline(self.model, self.admin_site) for inline in self.inlines]

    def _allowed(self, request: HttpRequest, row: Model) -> Iterator[InlineModelAdmin]:
        """As Django chooses them."""
        for inline in map(copy, self._made):
            inline.tab = False  # it is all there is on its page
            may_add = inline.has_add_permission(request, row)
            if not may_add:
                inline.max_num = 0
            if (
                may_add
                or inline.has_view_or_change_permission(request, row)
                or inline.has_delete_permission(request, row)
            ):
                yield inline

    def _parts(self, request: HttpRequest, row: Model | None) -> dict[str, InlineModelAdmin]:
        """Those that this person may see, by their names; worked out once for a request."""
        kept: dict[Any, dict[str, InlineModelAdmin]] = request.__dict__.setdefault("_parts", {})
        key = row and row.pk
        if key not in kept:
            inlines = self._allowed(request, row) if row else ()
            kept[key] = {self._names[type(inline)]: inline for inline in inlines}
        return kept[key]

    def part(self, request: HttpRequest, row: Model | None) -> str:
        """Which is asked for; none is the row itself."""
        wanted = request.GET.get(_PARAMETER, "")
        return wanted if wanted in self._parts(request, row) else ""

    def get_inline_instances(
        self, request: HttpRequest, obj: Model | None = None
    ) -> list[InlineModelAdmin]:
        part = self.part(request, obj)
        return [self._parts(request, obj)[part]] if part else []

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        return () if self.part(request, obj) else super().get_fieldsets(request, obj)

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> Any:
        if obj is not None:
            models = [{"name": str(self.opts), "detail": True}]
            context["tab_list"] = [{"models": models, "items": self._tabs(request, obj)}]
            if self.part(request, obj):
                may_edit = any(map(_is_editable, context["inline_admin_formsets"]))
                context |= {
                    "asks_why": may_edit,
                    "show_save": may_edit,
                    "show_save_and_continue": may_edit,
                    "show_save_and_add_another": False,
                }
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _tabs(self, request: HttpRequest, row: Model) -> list[dict[str, Any]]:
        asked = self.part(request, row)
        titles = {"": "General"}
        for name, inline in self._parts(request, row).items():
            titles[name] = capfirst(str(inline.verbose_name_plural))
        return [
            {
                "title": title,
                "link": f"{request.path}?{_PARAMETER}={name}" if name else request.path,
                "active": name == asked,
                "has_permission": True,
                # Asked of each by Unfold's templates.
                "inline": None,
                "link_callback": None,
            }
            for name, title in titles.items()
        ]
