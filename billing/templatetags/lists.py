"""Parts of the admin's lists (`billing.admin.lists.ListMixin`): rows, files, chips and sums."""

from functools import partial
from typing import Any

from django import template
from django.forms import Media
from django.template import Context
from django.template.loader import get_template
from django.utils.encoding import iri_to_uri
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import get_language

from billing.admin.kept import filters_key, kept

_CHOICE = "border-b border-base-200 last:border-b-0 dark:border-base-700"
_CHOSEN = "font-semibold text-primary-600 dark:text-primary-500"
_OTHER = "hover:text-base-700 dark:hover:text-base-200"

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


@register.simple_tag(takes_context=True)
def list_filters(context: Context, changes: Any) -> Any:
    key = filters_key(changes, context["request"])
    made = partial(_included, "admin/list_filters.html", context)
    return kept(key, made) if key else made()


@register.simple_tag(takes_context=True)
def list_actions(context: Context, changes: Any) -> Any:
    """What may be done with the rows that are ticked."""
    form = context.get("action_form")
    return kept(
        (
            *("list actions", changes.opts.label, get_language(), changes.is_popup),
            *(str(form and form.fields["action"].choices), str(changes.search_fields)),
            *(changes.has_filters, changes.result_count, len(changes.result_list)),
        ),
        partial(_included, "unfold/helpers/change_list_actions.html", context),
    )


def _included(name: str, context: Context) -> str:
    """As `{% include %}` has it."""
    with context.push():
        template = get_template(name).template  # type: ignore[attr-defined]
        return SafeString(template.render(context))


@register.simple_tag
def media_part(media: Media, part: str) -> Any:
    """Its `js` or `css`, whose tags are made once for the same files."""
    files = repr(getattr(media, f"_{part}_lists"))
    return kept(("media", part, files), lambda: SafeString("\n".join(_tags(media, part))))


def _tags(media: Media, part: str) -> list[str]:
    return list(getattr(media, f"render_{part}")())


@register.simple_tag
def filter_choices(choices: Any) -> SafeString:
    """Those of one filter, one below the other."""
    return format_html_join(
        "\n",
        '<li class="{} {}"><a href="{}" title="{}" class="block px-3 py-2'
        ' hover:text-primary-600 dark:hover:text-primary-500">{}</a></li>',
        (
            (
                _CHOICE,
                _CHOSEN if choice["selected"] else _OTHER,
                iri_to_uri(choice["query_string"]),
                choice["display"],
                choice["display"],
            )
            for choice in choices
        ),
    )
