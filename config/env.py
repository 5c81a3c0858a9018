"""Typed readers of environment variables: each error names the variable and what it takes."""

import os
import re
from collections.abc import Sequence

from django.core.exceptions import ImproperlyConfigured

_TRUE = {"1", "true", "yes", "on"}
_FALSE = {"0", "false", "no", "off", ""}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def code(name: str, default: str, *, longest: int) -> str:
    """Capital letters, digits and hyphens."""
    value = text(name) or default
    if not re.fullmatch(f"[A-Z0-9-]{{1,{longest}}}", value):
        raise ImproperlyConfigured(
            f"{name} must be 1 to {longest} capital letters, digits or hyphens, not {value!r}."
        )
    return value


def flag(name: str, default: bool) -> bool:
    value = os.environ.get(name)
    if value is None:
        return default
    if value.strip().lower() in _TRUE:
        return True
    if value.strip().lower() in _FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be true or false, not {value!r}.")


def whole(name: str, default: int, *, least: int = 0, most: int = 2**31 - 1) -> int:
    value = os.environ.get(name)
    if value is None or not value.strip():
        return default
    try:
        number = int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None
    if not least <= number <= most:
        raise ImproperlyConfigured(f"{name} must lie between {least} and {most}, not {number}.")
    return number


def words(name: str, default: Sequence[str] = ()) -> list[str]:
    """A comma-separated list."""
    value = os.environ.get(name)
    if value is None:
        return list(default)
    return [word.strip() for word in value.split(",") if word.strip()]


def pairs(name: str, default: dict[str, str]) -> dict[str, str]:
    """A comma-separated list of `key=value`."""
    if os.environ.get(name) is None:
        return default
    found = dict[str, str]()
    for word in words(name):
        key, equals, value = word.partition("=")
        if not (key.strip() and equals and value.strip()):
            raise ImproperlyConfigured(f"{name} must be key=value pairs separated by commas.")
        found[key.strip()] = value.strip()
    return found


def days(name: str, default: Sequence[int]) -> list[int]:
    """A comma-separated list of whole, possibly negative, numbers of days."""
    try:
        return [int(word) for word in words(name, [str(day) for day in default])]
    except ValueError:
        raise ImproperlyConfigured(
            f"{name} must be whole numbers of days separated by commas."
        ) from None
