"""An input of many parts that is refused as a whole, with a pointer to each that is wrong."""

from collections.abc import Iterable

from billing.errors import BillingError
from billing.rating import Fault


class FaultyInput(BillingError):
    """`errors` has every fault as the API answers it."""

    whole = "The input"

    def __init__(self, faults: Iterable[Fault]) -> None:
        faults = list(faults)
        more = f" ({len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(f"{faults[0].pointer or self.whole}: {faults[0].detail}{more}")
        self.errors = [fault._asdict() for fault in faults]
