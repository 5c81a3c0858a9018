"""Tags of the admin's frame, and `extends` for all pages: what is the same each time is kept.

`settings.TEMPLATES` makes this library a built-in one, so that its `extends` is used everywhere.
"""

from typing import Any

from django.template import Context, Library, NodeList
from django.template.base import FilterExpression, Node, Parser, Token
from django.template.exceptions import TemplateSyntaxError
from django.template.loader_tags import BlockNode, do_extends
from django.template.loader_tags import ExtendsNode as DjangoExtendsNode

register = Library()
# Of a process. Far more than there are languages, links and rights that differ.
_MOST_KEPT = 2000


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
