"""The price models, and what may be added to each of them.

Prices are plain values: what a rate of a rate card says, read once and never changed.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar

from billing.money import ZERO


@dataclass(frozen=True, slots=True)
class Increment:
    """A record is billed for at least `first` units, then in started steps of `step` units."""

    first: Decimal
    step: Decimal


@dataclass(frozen=True, slots=True)
class Tier:
    """A price up to a quantity, inclusive; None: without an end. `flat` is added once, when more
    than zero units are in the tier."""

    up_to: Decimal | None
    unit_price: Decimal
    flat: Decimal = ZERO


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """What every model may say besides its own terms.

    Of a period: `included` units are free and taken first. Of each record: its quantity is billed
    by an `increment`, a `fixed` amount is added, and the result is kept between `min_amount` and
    `max_amount`. A record of zero units costs nothing, whatever is added.
    """

    model: ClassVar[str]

    included: Decimal = ZERO
    increment: Increment | None = None
    fixed: Decimal = ZERO
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None

    @property
    def is_clamped(self) -> bool:
        """Whether a record's amount may be another than its units' price and the fixed amount."""
        return self.min_amount is not None or self.max_amount is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPlus(Price):
    """What the provider charges the platform, and a percentage of it."""

    model: ClassVar[str] = "cost_plus"

    markup_percentage: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class PerUnit(Price):
    """The same price for every unit."""

    model: ClassVar[str] = "per_unit"

    unit_price: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class Graduated(Price):
    """Each unit has the price of the tier that it falls into."""

    model: ClassVar[str] = "graduated"

    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Volume(Price):
    """Every unit has the price of the tier that the period's total reaches."""

    model: ClassVar[str] = "volume"

    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Package(Price):
    """Started packages of `size` units."""

    model: ClassVar[str] = "package"

    size: Decimal
    price: Decimal
