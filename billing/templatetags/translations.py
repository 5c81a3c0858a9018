"""Django's library `i18n`, with texts of templates that are looked up once for each language.

`settings.TEMPLATES` gives it that name. A page has a hundred `{% translate %}`, each of which took
thirty microseconds for a text that is the same each time.
"""

from typing import Any

from django.template import Context, Library
from django.template.base import Parser, Token
from django.templatetags import i18n
from django.utils.translation import get_language

register = Library()
register.tags |= i18n.register.tags
register.filters |= i18n.register.filters


class TranslateNode(i18n.TranslateNode):
    """One whose text stands in the template, without a filter or a context."""

    def __init__(self, node: i18n.TranslateNode) -> None:
        super().__init__(node.filter_expression, node.noop)
        self._name = node.asvar
        self._texts: dict[str | None, str] = {}

    def render(self, context: Context) -> str:
        language = get_language()
        text = self._texts.get(language)
        if text is None:
            text = self._texts[language] = super().render(context)
        if self._name:
            context[self._name] = text
            return ""
        return text


@register.tag("translate")
@register.tag("trans")
def do_translate(parser: Parser, token: Token) -> Any:
    node = i18n.do_translate(parser, token)
    expression = node.filter_expression
    is_plain = expression.var.lookups is None and not expression.filters
    return node if node.message_context or node.noop or not is_plain else TranslateNode(node)
