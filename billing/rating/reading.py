"""Prices from JSON and to JSON. A bad price is refused with every place that is wrong."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from billing.decimals import NotExact, exact_decimal
from billing.money import ZERO, without_exponent
from billing.rating.prices import (
    CostPlus,
    Graduated,
    Increment,
    Package,
    PerUnit,
    Price,
    Tier,
    Volume,
)

MAX_TIERS = 100
# Digits before and after the point. Quantities and markups are those of their columns; a unit's
# price may be as small as some are per character or token.
_UNIT_PRICE = (12, 18)
_AMOUNT = (12, 10)
_QUANTITY = (12, 6)
_MARKUP = (3, 4)

_SHARED = ("model", "included", "increment", "fixed", "min_amount", "max_amount")
_OWN = {
    "cost_plus": ("markup_percentage",),
    "per_unit": ("unit_price",),
    "graduated": ("tiers",),
    "volume": ("tiers",),
    "package": ("size", "price"),
}
_MISSING = object()


class Fault(NamedTuple):
    """One thing that is wrong: a JSON pointer into the price, a stable code, and what to do."""

    pointer: str
    code: str
    detail: str


class InvalidPrice(ValueError):
    """`faults` has everything that is wrong with it, in its order."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(f"{fault.pointer}: {fault.detail}" for fault in self.faults))


def read_price(data: object) -> Price:
    """The price that `data` (decoded JSON, decimals as text, `int` or `Decimal`) says.

    Raises `InvalidPrice`.
    """
    if not isinstance(data, Mapping):
        raise InvalidPrice([Fault("", "invalid_type", "A price is an object.")])
    model = data.get("model")
    if not isinstance(model, str) or model not in _OWN:
        code = "required" if "model" not in data else "unknown_model"
        known = ", ".join(_OWN)
        raise InvalidPrice([Fault("/model", code, f"One of {known} is expected.")])
    reader = _Reader(data)
    reader.refuse_unknown((*_SHARED, *_OWN[model]), f"A price of the model {model}")
    shared: dict[str, Any] = {
        "included": reader.decimal("included", _QUANTITY, default=ZERO),
        "increment": reader.nested("increment", _increment),
        "fixed": reader.decimal("fixed", _AMOUNT, default=ZERO),
        "min_amount": reader.decimal("min_amount", _AMOUNT, default=None),
        "max_amount": reader.decimal("max_amount", _AMOUNT, default=None),
    }
    least, most = shared["min_amount"], shared["max_amount"]
    if least is not None and most is not None and least > most:
        reader.fault("max_amount", "below_minimum", "Must not be less than min_amount.")
    make = _MODELS[model](reader)
    if reader.faults:
        raise InvalidPrice(reader.faults)
    return make(shared)


class _Reader:
    """Takes values out of an object and collects what is wrong with them."""

    def __init__(self, data: Mapping[str, Any], pointer: str = "") -> None:
        self.data = data
        self.pointer = pointer
        self.faults: list[Fault] = []

    def fault(self, name: str, code: str, detail: str) -> None:
        escaped = name.replace("~", "~0").replace("/", "~1")
        self.faults.append(Fault(f"{self.pointer}/{escaped}", code, detail))

    def refuse_unknown(self, known: Iterable[str], what: str) -> None:
        known = tuple(known)
        for name in self.data:
            if name not in known:
                self.fault(name, "unknown_field", f"{what} has only: {', '.join(known)}.")

    def decimal(
        self,
        name: str,
        size: tuple[int, int],
        *,
        default: object = _MISSING,
        positive: bool = False,
    ) -> Any:
        """A decimal that is not negative; `default` when it is absent or null."""
        value = self.data.get(name)
        if value is None:
            if default is _MISSING:
                self.fault(
                    name, "null" if name in self.data else "required", "A decimal is needed."
                )
                return None
            return default
        try:
            number = exact_decimal(value, integer_digits=size[0], decimals=size[1])
        except NotExact as error:
            self.fault(name, error.code, error.detail)
            return None if default is _MISSING else default
        if number < 0:
            self.fault(name, "negative", "Must not be negative.")
        elif positive and not number:
            self.fault(name, "too_small", "Must be more than zero.")
        return number

    def nested(self, name: str, read: "Callable[[_Reader], Any]") -> Any:
        value = self.data.get(name)
        if value is None:
            return None
        if not isinstance(value, Mapping):
            self.fault(name, "invalid_type", "An object is expected.")
            return None
        inner = _Reader(value, f"{self.pointer}/{name}")
        result = read(inner)
        self.faults += inner.faults
        return result


def _increment(reader: _Reader) -> Increment | None:
    reader.refuse_unknown(("first", "step"), "An increment")
    step = reader.decimal("step", _QUANTITY, positive=True)
    first = reader.decimal("first", _QUANTITY, default=step)
    return None if reader.faults else Increment(first, step)


def _tiers(reader: _Reader) -> tuple[Tier, ...]:
    value = reader.data.get("tiers")
    if not isinstance(value, list):
        code = "required" if value is None else "invalid_type"
        reader.fault("tiers", code, "A list of tiers is expected.")
        return ()
    if not value:
        reader.fault("tiers", "no_tiers", "There must be a tier, and the last one is open.")
    elif len(value) > MAX_TIERS:
        reader.fault("tiers", "too_many_tiers", f"At most {MAX_TIERS} tiers are read.")
        return ()
    tiers = []
    lower = ZERO
    for index, item in enumerate(value):
        pointer = f"{reader.pointer}/tiers/{index}"
        if not isinstance(item, Mapping):
            reader.faults.append(Fault(pointer, "invalid_type", "A tier is an object."))
            continue
        inner = _Reader(item, pointer)
        tier = _tier(inner, lower, is_last=index == len(value) - 1)
        reader.faults += inner.faults
        if tier.up_to is not None:
            lower = max(lower, tier.up_to)
        tiers.append(tier)
    return tuple(tiers)


def _tier(reader: _Reader, lower: Decimal, *, is_last: bool) -> Tier:
    reader.refuse_unknown(("up_to", "unit_price", "flat"), "A tier")
    up_to = None
    if "up_to" not in reader.data:
        reader.fault("up_to", "required", "The tier's inclusive end; null in the last.")
    elif reader.data["up_to"] is None:
        if not is_last:
            reader.fault(
                "up_to", "open_tier_not_last", "Only the last tier is open; this one needs an end."
            )
    elif is_last:
        reader.fault(
            "up_to", "last_tier_not_open", "The last tier must be open: its up_to is null."
        )
    else:
        before = len(reader.faults)
        up_to = reader.decimal("up_to", _QUANTITY)
        if len(reader.faults) == before and up_to <= lower:
            detail = f"Tiers must rise: more than {without_exponent(lower)} is expected."
            reader.fault("up_to", "tiers_not_rising", detail)
    flat = reader.decimal("flat", _AMOUNT, default=ZERO)
    # A tier may have only a flat amount.
    only_flat = "flat" in reader.data and "unit_price" not in reader.data
    unit_price = reader.decimal("unit_price", _UNIT_PRICE, default=ZERO if only_flat else _MISSING)
    return Tier(up_to, unit_price, flat)


_Make = Callable[[dict[str, Any]], Price]


def _cost_plus(reader: _Reader) -> _Make:
    markup = reader.decimal("markup_percentage", _MARKUP)
    return lambda shared: CostPlus(markup_percentage=markup, **shared)


def _per_unit(reader: _Reader) -> _Make:
    unit_price = reader.decimal("unit_price", _UNIT_PRICE)
    return lambda shared: PerUnit(unit_price=unit_price, **shared)


def _graduated(reader: _Reader) -> _Make:
    tiers = _tiers(reader)
    return lambda shared: Graduated(tiers=tiers, **shared)


def _volume(reader: _Reader) -> _Make:
    tiers = _tiers(reader)
    return lambda shared: Volume(tiers=tiers, **shared)


def _package(reader: _Reader) -> _Make:
    size = reader.decimal("size", _QUANTITY, positive=True)
    price = reader.decimal("price", _AMOUNT)
    return lambda shared: Package(size=size, price=price, **shared)


_MODELS: dict[str, Callable[[_Reader], _Make]] = {
    "cost_plus": _cost_plus,
    "per_unit": _per_unit,
    "graduated": _graduated,
    "volume": _volume,
    "package": _package,
}


def price_as_json(price: Price) -> dict[str, Any]:
    """The one way this price is written: decimals as plain text, nothing that says nothing."""
    shown: dict[str, Any] = {"model": price.model}
    match price:
        case CostPlus():
            shown["markup_percentage"] = _text(price.markup_percentage)
        case PerUnit():
            shown["unit_price"] = _text(price.unit_price)
        case Graduated() | Volume():
            shown["tiers"] = [_tier_as_json(tier) for tier in price.tiers]
        case Package():
            shown |= {"size": _text(price.size), "price": _text(price.price)}
    for name in ("fixed", "included"):
        if value := getattr(price, name):
            shown[name] = _text(value)
    if price.increment is not None:
        shown["increment"] = {
            "first": _text(price.increment.first),
            "step": _text(price.increment.step),
        }
    for name in ("min_amount", "max_amount"):
        if (limit := getattr(price, name)) is not None:
            shown[name] = _text(limit)
    return shown


def _tier_as_json(tier: Tier) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "up_to": None if tier.up_to is None else _text(tier.up_to),
        "unit_price": _text(tier.unit_price),
    }
    if tier.flat:
        shown["flat"] = _text(tier.flat)
    return shown


def _text(value: Decimal) -> str:
    """Without trailing zeros or an exponent, so that equal prices are written alike."""
    whole, point, fraction = without_exponent(value).partition(".")
    fraction = fraction.rstrip("0")
    return f"{whole}.{fraction}" if point and fraction else whole
