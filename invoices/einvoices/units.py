"""Units of quantities by their codes in UN/ECE Recommendation 20."""

from django.conf import settings

from invoices.models import InvoiceItem

ONE = "C62"
_MONTH = "MON"
# The words of `RESOURCE_UNITS`; what has no code of its own is counted by the piece.
_CODES = {
    "s": "SEC",
    "sec": "SEC",
    "second": "SEC",
    "seconds": "SEC",
    "min": "MIN",
    "minute": "MIN",
    "minutes": "MIN",
    "h": "HUR",
    "hour": "HUR",
    "hours": "HUR",
    "day": "DAY",
    "days": "DAY",
    "month": _MONTH,
    "months": _MONTH,
    "byte": "AD",
    "bytes": "AD",
    "kb": "2P",
    "mb": "4L",
    "gb": "E34",
    "tb": "E35",
}


def unit_of(item: InvoiceItem) -> str:
    """Of a line that is counted."""
    if item.kind == InvoiceItem.Kind.SUBSCRIPTION:
        return _MONTH
    word = settings.RESOURCE_UNITS.get(item.resource_type, "")
    return _CODES.get(word.casefold(), ONE)
