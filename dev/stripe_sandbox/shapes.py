"""Blank objects with every field Stripe sends, taken from the SDK's response classes.

A client that reads ``invoice["ending_balance"]`` must find the key even where the sandbox gives
it no meaning; a resource starts from its blank and fills in what it knows.
"""

import functools
import types
import typing
from importlib import import_module
from typing import Any, ForwardRef, Literal, Union, get_args, get_origin

import msgspec
from stripe import ListObject, StripeObject

# Sent only when asked for or only in one state, never as null.
OMITTED = frozenset({"deleted", "secret", "payments", "confirmation_secret", "refunds"})
OMITTED |= {"sources", "subscriptions", "tax_ids", "last_response", "cash_balance", "tiers"}


_from_json = msgspec.json.Decoder().decode


class _Names(dict[str, Any]):
    """Names the SDK imports for type checkers only count as `Any`."""

    def __missing__(self, name: str) -> Any:
        if hasattr(typing, name):
            return getattr(typing, name)
        return Any


def blank(class_name: str) -> dict[str, Any]:
    """A new dict with the fields of ``stripe.<class_name>``: null, empty, 0 or False."""
    fresh: dict[str, Any] = _from_json(_template(class_name))
    return fresh


@functools.cache
def _template(class_name: str) -> bytes:
    package, _, name = class_name.rpartition(".")
    module = import_module(f"stripe.{package}" if package else "stripe")
    return msgspec.json.encode(_fields(getattr(module, name)))


def _fields(cls: type) -> dict[str, Any]:
    module = vars(import_module(cls.__module__))
    fields: dict[str, Any] = {}
    for declared, annotation in cls.__annotations__.items():
        name = declared.rstrip("_")
        kind: Any = get_origin(annotation)
        if name.startswith("_") or name in OMITTED or kind is typing.ClassVar:
            continue
        fields[name] = _default(annotation, module)
    return fields


def _default(annotation: Any, module: dict[str, Any]) -> Any:
    if isinstance(annotation, str | ForwardRef):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        return _default(eval(text, {}, _Names(module)), module)  # noqa: S307 - the SDK's source
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return None if type(None) in arguments else _default(arguments[0], module)
    if origin is Literal:
        return arguments[0]
    if origin is list:
        return []
    if origin is ListObject:
        return {"object": "list", "data": [], "has_more": False, "url": ""}
    if isinstance(annotation, type):
        if annotation in (str, int, bool, float):
            return annotation()
        if issubclass(annotation, StripeObject) and annotation.__annotations__:
            return _fields(annotation)
        if issubclass(annotation, StripeObject):
            return {}
    if isinstance(origin, type) and issubclass(origin, dict | StripeObject):
        return {}
    return None
