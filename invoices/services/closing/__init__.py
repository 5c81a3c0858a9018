"""The month end: periods that have ended are closed, summed and invoiced.

lines      what an invoice says, from the period's rollups (pure)
numbering  gapless invoice numbers
chunk      one transaction that closes some periods, set by set
finalize   the doors' functions: one period, or all that are due
"""

from invoices.services.closing.finalize import (
    CloseFailure,
    CloseSummary,
    PeriodNotCurrent,
    PeriodNotEnded,
    due_periods,
    finalize_due_periods,
    finalize_period,
)

__all__ = [
    "CloseFailure",
    "CloseSummary",
    "PeriodNotCurrent",
    "PeriodNotEnded",
    "due_periods",
    "finalize_due_periods",
    "finalize_period",
]
