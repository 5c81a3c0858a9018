"""What a period is charged besides its usage: each a line that says what it is."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum


class ChargeKind(StrEnum):
    SUBSCRIPTION = "subscription"
    ADD_ON = "add_on"
    DISCOUNT = "discount"
    COMMITMENT = "commitment"


@dataclass(frozen=True, slots=True)
class Charge:
    """One line. `amount` is exact to ten decimals; a discount's is negative."""

    kind: ChargeKind
    description: str
    amount: Decimal
    quantity: Decimal = Decimal(1)


def sum_of(charges: "list[Charge]", kind: ChargeKind) -> Decimal:
    return sum((charge.amount for charge in charges if charge.kind == kind), Decimal(0))
