"""Django's library `i18n`, with texts of templates that are looked up once for each language.

`settings.TEMPLATES` gives it that name. A page has a hundred `{% translate %}`, each of which took
thirty microseconds for a text that is the same each time, and some twenty `{% blocktranslate %}`
of twice that, most of it for putting the same text together.
"""

from typing import Any

from django.template import Context, Library
from django.template.base import Parser, Token, render_value_in_context
from django.templatetags import i18n
from django.utils.safestring import SafeString
from django.utils.translation import gettext

from billing.languages import active_language

register = Library()
register.tags |= i18n.register.tags
register.filters |= i18n.register.filters


class TranslateNode(i18n.TranslateNode):
    """One whose text stands in the template, without a filter or a context."""

    def __init__(self, node: i18n.TranslateNode) -> None:
        super().__init__(node.filter_expression, node.noop)
        self._name = node.asvar
        self._texts: dict[str, str] = {}

    def render(self, context: Context) -> str:
        language = active_language()
        text = self._texts.get(language)
        if text is None:
            text = self._texts[language] = super().render(context)
        if self._name:
            context[self._name] = text
            return ""
        return text


class BlockTranslateNode(i18n.BlockTranslateNode):
    """One without a count or a context."""

    def __init__(self, node: i18n.BlockTranslateNode) -> None:
        self.__dict__ |= node.__dict__
        self._text, self._names = self.render_token_list(self.singular)
        self._texts: dict[str, str] = {}

    def render(self, context: Context, nested: bool = False) -> str:
        language = active_language()
        text = self._texts.get(language)
        if text is None:
            text = self._texts[language] = gettext(self._text)
        values = {}
        for name in self._names:
            given = self.extra_context.get(name)
            if given is None and name not in context:
                return super().render(context, nested)
            value = given.resolve(context) if given is not None else context[name]
            values[name] = render_value_in_context(value, context)
        try:
            said = SafeString(text % values)
        except (KeyError, ValueError):  # a translation with other names in it: as Django has it
            return super().render(context, nested)
        if self.asvar:
            context[self.asvar] = said
            return ""
        return said


@register.tag("translate")
@register.tag("trans")
def do_translate(parser: Parser, token: Token) -> Any:
    node = i18n.do_translate(parser, token)
    expression = node.filter_expression
    is_plain = expression.var.lookups is None and not expression.filters
    return node if node.message_context or node.noop or not is_plain else TranslateNode(node)


@register.tag("blocktranslate")
@register.tag("blocktrans")
def do_block_translate(parser: Parser, token: Token) -> Any:
    node = i18n.do_block_translate(parser, token)
    return node if node.message_context or node.countervar else BlockTranslateNode(node)
