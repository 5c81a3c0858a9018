"""What a period is charged besides its usage: each a line that says what it is, and why so much."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from billing.money import ZERO
from billing.rating.proration import Span

_ONE = Decimal(1)


class ChargeKind(StrEnum):
    SUBSCRIPTION = "subscription"
    ADD_ON = "add_on"
    DISCOUNT = "discount"
    COMMITMENT = "commitment"
    MANUAL = "manual"


class ChargeScope(StrEnum):
    """What a discount is taken off, or a commitment covers."""

    USAGE = "usage"
    FEES = "fees"
    USAGE_AND_FEES = "usage_and_fees"

    @property
    def text(self) -> str:
        return self.value.replace("_", " ")


@dataclass(frozen=True, slots=True)
class Charge:
    """One line. `amount` is exact to ten decimals, and follows from the others:

    - a fee: `quantity x unit_price x days / of_days`;
    - a discount: less `percentage` percent of `base`, or less `unit_price`, at most `base`;
    - a commitment: what is missing of `unit_price` where `base` was spent;
    - what was added by hand: `unit_price`, negative for a credit or a discount.
    """

    kind: ChargeKind
    description: str
    amount: Decimal
    quantity: Decimal = _ONE
    unit_price: Decimal = ZERO
    first_day: dt.date | None = None
    last_day: dt.date | None = None
    days: int = 1
    of_days: int = 1
    base: Decimal = ZERO
    percentage: Decimal | None = None
    # The row of terms it comes from.
    source_id: str = ""
    # What it is to the tax office; empty: as everything else of the workspace.
    tax_class: str = ""


@dataclass(frozen=True, slots=True)
class TierTerms:
    """A tier's fee in a workspace's currency, None where it has none."""

    id: str
    name: str
    fee: Decimal | None
    yearly: bool = False
    daily: bool = False


@dataclass(frozen=True, slots=True)
class TierSince:
    """The tier that holds from a day on, until the next one does."""

    on: dt.date
    tier: TierTerms


@dataclass(frozen=True, slots=True)
class AddOnTerms:
    id: str
    name: str
    quantity: Decimal
    unit_price: Decimal
    starts_on: dt.date
    ends_on: dt.date | None
    daily: bool


@dataclass(frozen=True, slots=True)
class DiscountTerms:
    """Either a percentage or an amount."""

    id: str
    name: str
    percentage: Decimal | None
    amount: Decimal | None
    applies_to: ChargeScope


@dataclass(frozen=True, slots=True)
class CommitmentTerms:
    id: str
    amount: Decimal
    currency: str
    covers: ChargeScope


@dataclass(frozen=True, slots=True)
class ManualTerms:
    """What somebody added by hand; `amount` is negative for a credit or a discount."""

    id: str
    description: str
    amount: Decimal
    tax_class: str


@dataclass(frozen=True, slots=True)
class PeriodTerms:
    """What was agreed for a period: all that its charges depend on, but its usage.

    `tiers` in the order of their days, the first of which begins with the workspace. Nothing but
    usage and what was added by hand is charged where `has_fees` is false.
    """

    days: Span
    has_fees: bool
    tiers: tuple[TierSince, ...] = ()
    add_ons: tuple[AddOnTerms, ...] = ()
    discounts: tuple[DiscountTerms, ...] = ()
    commitment: CommitmentTerms | None = None
    manual: tuple[ManualTerms, ...] = ()


def sum_of(charges: Iterable[Charge], kind: ChargeKind) -> Decimal:
    return sum((charge.amount for charge in charges if charge.kind == kind), ZERO)
