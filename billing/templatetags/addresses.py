"""`{% static %}` and `{% url %}` as Django has them, with addresses that are put together once.

What a file is called, and where a page is, stays as it is while a process runs. Asking for it takes
as long as a dozen variables of a template, and a page has twenty links in its frame alone.
`settings.TEMPLATES` makes this library a built-in one, and gives it the name `static`.
"""

from functools import cache, lru_cache
from typing import Any

from django.template import Context, Library, defaulttags
from django.template.base import Parser, Token
from django.templatetags import static
from django.urls import get_script_prefix, get_urlconf, reverse
from django.utils.html import conditional_escape

register = Library()
register.tags |= static.register.tags


class StaticNode(static.StaticNode):
    @classmethod
    @cache
    def handle_simple(cls, path: str) -> str:
        return super().handle_simple(path)


class URLNode(defaulttags.URLNode):
    """One of a page with no named arguments, which is there."""

    def __init__(self, node: defaulttags.URLNode) -> None:
        self.__dict__ |= node.__dict__

    def render(self, context: Context) -> str:
        view = self.view_name.resolve(context)
        args = tuple(each.resolve(context) for each in self.args)
        return conditional_escape(_address(view, args, get_script_prefix(), get_urlconf()))


# Of a process: many workspaces' pages, of which each has a dozen links in its frame.
@lru_cache(maxsize=4096)
def _address(view: str, args: tuple[Any, ...], prefix: str, urlconf: str | None) -> str:
    return reverse(view, args=args)


@register.tag("static")
def do_static(parser: Parser, token: Token) -> Any:
    return StaticNode.handle_token(parser, token)


@register.tag("url")
def do_url(parser: Parser, token: Token) -> Any:
    node = defaulttags.url(parser, token)
    return node if node.kwargs or node.asvar else URLNode(node)
