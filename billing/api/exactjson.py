"""JSON reader and writer without floats.

In: a number is its literal text, an object has each name once, text is real Unicode.
Out: decimals are plain strings, times are UTC with `Z`.
"""

import datetime as dt
import json
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn
from uuid import UUID

from django.utils.functional import Promise

from billing.errors import BillingError
from billing.money import without_exponent

# More than any column holds, and short enough that converting one costs nothing.
_MAX_NUMBER_CHARACTERS = 200


class MalformedJson(BillingError):
    status = 400
    code = "malformed_json"


def loads(body: bytes) -> Any:
    """The value of a UTF-8 JSON document: `int` for whole numbers, `Decimal` for others.

    Raises `MalformedJson` for anything that is not JSON, and for what is, but means different
    things to different readers: repeated names, NaN, NUL characters, halves of surrogate pairs.
    """
    if not body.strip():
        raise MalformedJson("The body is empty; a JSON document is expected.")
    try:
        text = body.decode()
    except UnicodeDecodeError as error:
        raise MalformedJson(f"The body is not UTF-8 at byte {error.start}.") from None
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise MalformedJson(
            f"The body is not JSON: {error.msg}, line {error.lineno} column {error.colno}."
        ) from None
    except RecursionError:
        raise MalformedJson("The JSON is nested too deeply.") from None


def dumps(value: Any) -> bytes:
    """`value` as compact UTF-8 JSON; `Decimal`, `UUID`, dates and aware times included."""
    return json.dumps(
        value, default=_encoded, ensure_ascii=False, allow_nan=False, separators=(",", ":")
    ).encode()


def utc_text(at: dt.datetime) -> str:
    """ISO 8601 in UTC with `Z`: `2026-11-22T09:30:00Z`."""
    return at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def _encoded(value: Any) -> str:
    if isinstance(value, Decimal):
        return without_exponent(value)
    if isinstance(value, dt.datetime):
        return utc_text(value)
    if isinstance(value, dt.date):
        return value.isoformat()
    if isinstance(value, UUID | Promise):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in pairs:
        _refuse_unsafe(name)
        if name in result:
            raise MalformedJson(f"The name {name!r} stands twice in one object.")
        if isinstance(value, str):
            _refuse_unsafe(value)
        elif isinstance(value, list):
            _refuse_unsafe_in(value)
        result[name] = value
    return result


def _refuse_unsafe_in(values: list[Any]) -> None:
    for value in values:
        if isinstance(value, str):
            _refuse_unsafe(value)
        elif isinstance(value, list):
            _refuse_unsafe_in(value)


def _refuse_unsafe(text: str) -> None:
    """PostgreSQL stores neither NUL nor half a surrogate pair, and no reader agrees on them."""
    if "\x00" in text:
        raise MalformedJson("Text contains a NUL character.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise MalformedJson("Text contains half a surrogate pair.") from None


def _integer(text: str) -> int:
    _refuse_long(text)
    return int(text)


def _decimal(text: str) -> Decimal:
    _refuse_long(text)
    try:
        return Decimal(text)
    except InvalidOperation:
        raise MalformedJson("A number's exponent is out of all bounds.") from None


def _refuse_long(text: str) -> None:
    if len(text) > _MAX_NUMBER_CHARACTERS:
        raise MalformedJson(f"A number has more than {_MAX_NUMBER_CHARACTERS} characters.")


def _constant(name: str) -> NoReturn:
    raise MalformedJson(f"{name} is not JSON.")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_decimal, parse_constant=_constant
)
