"""Small conversions between parameters and object fields."""

from typing import Any

from dev.stripe_sandbox.store import Object

_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def assign(obj: Object, params: dict[str, Any], *names: str) -> None:
    """Copy the parameters given; an empty string unsets the field."""
    for name in names:
        if name in params:
            obj[name] = None if params[name] == "" else params[name]


def address(given: Any) -> Object | None:
    """All six lines of an address, those not given as null."""
    if not given:
        return None
    return {name: given.get(name) or None for name in _ADDRESS}
