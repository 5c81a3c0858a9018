"""Tags of the admin's frame, and `extends` and `include` for all pages: what is the same is kept.

`settings.TEMPLATES` makes this library a built-in one, so that these two are used everywhere.
"""

from typing import Any, NamedTuple

from django.template import Context, Library, NodeList
from django.template.base import FilterExpression, Node, Parser, Token
from django.template.exceptions import TemplateSyntaxError
from django.template.loader_tags import (
    BlockNode,
    construct_relative_path,
    do_extends,
    do_include,
)
from django.template.loader_tags import ExtendsNode as DjangoExtendsNode
from django.template.loader_tags import IncludeNode as DjangoIncludeNode

register = Library()
# Of a part and a process. More than there are languages, links and rights that differ.
_MOST_KEPT = 500


class _KnownBlocks(NodeList):
    """The nodes of a template that others extend, which are searched for blocks once."""

    def __init__(self, nodes: NodeList) -> None:
        super().__init__(nodes)
        self._blocks: list[Any] | None = None

    def get_nodes_by_type(self, nodetype: type[Node]) -> list[Any]:
        if nodetype is not BlockNode:
            return super().get_nodes_by_type(nodetype)
        if self._blocks is None:
            self._blocks = super().get_nodes_by_type(nodetype)
        return self._blocks


class ExtendsNode(DjangoExtendsNode):
    """Django's walks through the whole template that is extended, each time it is shown."""

    def get_parent(self, context: Context) -> Any:
        parent = super().get_parent(context)
        if type(parent.nodelist) is NodeList:
            parent.nodelist = _KnownBlocks(parent.nodelist)
        return parent


@register.tag("extends")
def extends(parser: Parser, token: Token) -> ExtendsNode:
    node = do_extends(parser, token)
    return ExtendsNode(node.nodelist, node.parent_name)


class _Found(NamedTuple):
    """In the place of a template's name: the template."""

    template: Any

    def resolve(self, context: Context) -> Any:
        return self.template


class IncludeNode(DjangoIncludeNode):
    """Django's looks a template up each time it is shown, also where its name stands there."""

    def render(self, context: Context) -> Any:
        named: Any = self.template
        if not isinstance(named, _Found) and isinstance(named.var, str) and not named.filters:
            here: Any = self.origin.template_name
            name = construct_relative_path(here, named.var)
            assert context.template is not None
            found: Any = _Found(context.template.engine.get_template(name))
            self.template = found
        return super().render(context)


@register.tag("include")
def include(parser: Parser, token: Token) -> IncludeNode:
    node = do_include(parser, token)
    return IncludeNode(
        node.template, extra_context=node.extra_context, isolated_context=node.isolated_context
    )


class CaptureNode(Node):
    def __init__(self, nodelist: NodeList, name: str) -> None:
        self.nodelist, self._name = nodelist, name

    def render(self, context: Context) -> str:
        context[self._name] = self.nodelist.render(context)
        return ""


@register.tag("captured")
def captured(parser: Parser, token: Token) -> CaptureNode:
    """`{% captured name %}..{% endcaptured %}`: shows nothing, and names what it would show.

    As Unfold's `capture`, which lays another level upon the context each time: ten more to look
    through for each name of a page that is not there.
    """
    _, name = token.split_contents()
    nodes = parser.parse(("endcaptured",))
    parser.delete_first_token()
    return CaptureNode(nodes, name)


class KeptNode(Node):
    def __init__(self, nodelist: NodeList, vary_on: list[FilterExpression]) -> None:
        self.nodelist, self._vary_on = nodelist, vary_on
        self.kept: dict[tuple[Any, ...], str] = {}

    def render(self, context: Context) -> str:
        key = tuple(each.resolve(context) for each in self._vary_on)
        found = self.kept.get(key)
        if found is None:
            if len(self.kept) >= _MOST_KEPT:
                self.kept.clear()
            found = self.kept[key] = self.nodelist.render(context)
        return found


@register.tag("kept")
def kept(parser: Parser, token: Token) -> KeptNode:
    """`{% kept LANGUAGE_CODE .. %}..{% endkept %}`: made once in a process for the same values.

    For parts that are the same until another version is deployed: nothing of a person or of money.
    """
    _, *names = token.split_contents()
    if not names:
        raise TemplateSyntaxError("What is kept varies at least with the language.")
    nodes = parser.parse(("endkept",))
    parser.delete_first_token()
    return KeptNode(nodes, [parser.compile_filter(name) for name in names])
