"""Check a request's parameters against the SDK's own typed parameter classes.

``stripe.params`` holds one TypedDict per endpoint, generated from Stripe's OpenAPI description.
Each is turned once into a tree of checks, so that an unknown name, a missing one or a value of
the wrong type is refused as Stripe refuses it, for every endpoint and at every depth.
"""

import functools
import re
import sys
import types
import typing
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from typing import Any, ForwardRef, Literal, NotRequired, Required, Union, get_args, get_origin

from stripe._request_options import RequestOptions
from stripe._stripe_object import UntypedStripeObject
from typing_extensions import is_typeddict

from dev.stripe_sandbox.errors import ApiError, malformed

Check = Callable[[Any, str], Any]

MAX_STRING = 5000
_DECIMAL = re.compile(r"-?\d+(\.\d{1,12})?", re.ASCII)
_SDK_OPTIONS = frozenset(RequestOptions.__annotations__)


def check_params(class_name: str | None, raw: dict[str, Any]) -> dict[str, Any]:
    """The coerced parameters, or `ApiError` 400.

    ``class_name`` is a class of ``stripe.params``, with its package if it has one
    (``checkout.SessionCreateParams``); None allows ``expand`` only.
    """
    return _check_for(class_name)(raw, "")


@functools.cache
def _check_for(class_name: str | None) -> Check:
    if class_name is None:
        return _object({"expand": (_array(_string), False)})
    package, _, name = class_name.rpartition(".")
    module = import_module(f"stripe.params.{package}" if package else "stripe.params")
    return _typed_dict(getattr(module, name))


@functools.cache
def _typed_dict(cls: type) -> Check:
    fields: dict[str, tuple[Check, bool]] = {}
    namespace = vars(sys.modules[cls.__module__])
    for name, declared in cls.__annotations__.items():
        if name in _SDK_OPTIONS:
            continue
        annotation = _resolve(declared, namespace)
        qualifier: Any = get_origin(annotation)
        required = qualifier is not NotRequired
        if qualifier in (NotRequired, Required):
            (annotation,) = get_args(annotation)
        # Compiled on first use: a few of the classes are wide, and most of it is never sent.
        fields[name.rstrip("_")] = (_lazily(annotation, namespace), required)
    return _object(fields)


def _lazily(annotation: Any, namespace: dict[str, Any]) -> Check:
    @functools.cache
    def compiled() -> Check:
        return _check(_resolve(annotation, namespace), namespace)

    def check(value: Any, path: str) -> Any:
        return compiled()(value, path)

    return check


def _resolve(annotation: Any, namespace: dict[str, Any]) -> Any:
    while isinstance(annotation, str | ForwardRef):
        text = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        annotation = eval(text, dict(namespace))  # noqa: S307 - the SDK's own source text
    return annotation


def _check(annotation: Any, namespace: dict[str, Any]) -> Check:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _union([_resolve(a, namespace) for a in get_args(annotation)], namespace)
    if origin is Literal:
        return _one_of(get_args(annotation))
    if origin in (list, typing.Sequence):
        return _array(_check(_resolve(get_args(annotation)[0], namespace), namespace))
    if origin in (dict, UntypedStripeObject):
        return _map
    if is_typeddict(annotation):
        return _typed_dict(annotation)
    return _SCALARS.get(annotation, _anything)


def _union(members: list[Any], namespace: dict[str, Any]) -> Check:
    """The member that fits the value's form: an empty string, a nested object, or a scalar."""
    literals = [value for m in members if get_origin(m) is Literal for value in get_args(m)]
    others = [m for m in members if get_origin(m) is not Literal]
    nested = [m for m in others if is_typeddict(m) or get_origin(m) in (list, dict)]
    scalar = [m for m in others if m in _SCALARS]
    nested_checks = [_check(m, namespace) for m in nested] or ([_map] if others else [])

    # The SDK types an enum as `Literal[...] | str` to be open for later values; Stripe itself
    # refuses what it does not know.
    enum = any(literal != "" for literal in literals) and scalar in ([], [str])

    def check(value: Any, path: str) -> Any:
        if isinstance(value, dict) and nested_checks:
            return nested_checks[0](value, path)
        if value in literals:
            return value
        if enum and not nested:
            return _one_of(tuple(literals))(value, path)
        if scalar:
            return _SCALARS[scalar[0]](value, path)
        return nested_checks[0](value, path)

    return check


def _object(fields: dict[str, tuple[Check, bool]]) -> Check:
    required = [name for name, (_, needed) in fields.items() if needed]

    def check(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise _empty(path) if value == "" else malformed("Invalid object", param=path)
        unknown = [_at(path, name) for name in value if name not in fields]
        if unknown:
            plural = "s" if len(unknown) > 1 else ""
            raise malformed(
                f"Received unknown parameter{plural}: {', '.join(unknown)}",
                code="parameter_unknown",
                param=unknown[0],
            )
        for name in required:
            if name not in value:
                where = _at(path, name)
                raise malformed(
                    f"Missing required param: {where}.", code="parameter_missing", param=where
                )
        return {name: fields[name][0](item, _at(path, name)) for name, item in value.items()}

    return check


def _array(item: Check) -> Check:
    def check(value: Any, path: str) -> list[Any]:
        if value == "":
            return []
        if not isinstance(value, dict) or not all(key.isdigit() for key in value):
            raise malformed("Invalid array", param=path)
        ordered = sorted(value, key=int)
        return [item(value[key], f"{path}[{position}]") for position, key in enumerate(ordered)]

    return check


def _one_of(allowed: tuple[Any, ...]) -> Check:
    def check(value: Any, path: str) -> Any:
        for literal in allowed:
            if value == literal or (isinstance(literal, bool) and value == str(literal).lower()):
                return literal
        if value == "":
            raise _empty(path)
        choices = ", ".join(str(literal) for literal in allowed if literal != "")
        raise malformed(f"Invalid {_leaf(path)}: must be one of {choices}", param=path)

    return check


def _map(value: Any, path: str) -> dict[str, str] | str:
    if value == "":
        return ""
    if not isinstance(value, dict):
        raise malformed("Invalid object", param=path)
    return {key: _string(item, _at(path, key)) for key, item in value.items()}


def _string(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise malformed(f"Invalid string: {value!r}", param=path)
    if len(value) > MAX_STRING:
        raise malformed(
            f"Invalid string: {value[:10]}...{value[-10:]}; must be at most {MAX_STRING} "
            "characters",
            param=path,
        )
    return value


def _integer(value: Any, path: str) -> int:
    if value == "":
        raise _empty(path)
    digits = value.removeprefix("-") if isinstance(value, str) else ""
    if not (digits.isascii() and digits.isdigit()):
        raise malformed(f"Invalid integer: {value}", code="parameter_invalid_integer", param=path)
    return int(value)


def _boolean(value: Any, path: str) -> bool:
    if value == "":
        raise _empty(path)
    if value not in ("true", "false"):
        raise malformed(f"Invalid boolean: {value}", param=path)
    return bool(value == "true")


def _decimal(value: Any, path: str) -> str:
    if value == "":
        raise _empty(path)
    if not isinstance(value, str) or not _DECIMAL.fullmatch(value):
        raise malformed(f"Invalid decimal: {value}", param=path)
    return value


def _anything(value: Any, path: str) -> Any:
    return value


_SCALARS: dict[Any, Check] = {
    str: _string,
    int: _integer,
    bool: _boolean,
    float: _decimal,
    Decimal: _decimal,
}


def _at(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name


def _leaf(path: str) -> str:
    return path.rpartition("[")[2].rstrip("]")


def _empty(path: str) -> ApiError:
    return malformed(
        f"You passed an empty string for '{path}'. We assume empty values are an attempt to "
        f"unset a parameter; however '{path}' cannot be unset. You should remove '{path}' from "
        "your request or supply a non-empty value.",
        code="parameter_invalid_empty",
        param=path,
    )
