"""The month end: periods that have ended are closed, summed and invoiced.

lines      what an invoice says, from the period's rollups (pure)
sums       what each period comes to, and the proof that its counters and rollups agree
reversals  credit notes that give late reversals back, in place of the period they entered
approval   the bill that was approved, and that a close is that bill
numbering  gapless invoice numbers
issue      invoices and their items
advance    totals frozen, the next month opened, agents back
chunk      one transaction that closes some periods, set by set
blocking   the same for periods of which some cannot be closed
finalize   what others call: one period, or all that are due
"""

from invoices.services.closing.blocking import CloseFailure, CloseSummary
from invoices.services.closing.finalize import (
    PeriodNotCurrent,
    PeriodNotEnded,
    PeriodNotStarted,
    close_workspaces,
    due_periods,
    due_workspaces,
    end_of_grace,
    finalize_due_periods,
    finalize_period,
    require_closable,
)
from invoices.services.closing.sums import CannotClose

__all__ = [
    "CannotClose",
    "CloseFailure",
    "CloseSummary",
    "PeriodNotCurrent",
    "PeriodNotEnded",
    "PeriodNotStarted",
    "close_workspaces",
    "due_periods",
    "due_workspaces",
    "end_of_grace",
    "finalize_due_periods",
    "finalize_period",
    "require_closable",
]
