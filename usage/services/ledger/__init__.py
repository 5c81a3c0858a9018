"""Ledger check of usage: records, their rollups and counters; and repair of rollups."""

from usage.services.ledger.rebuild import rebuild_rollups
from usage.services.ledger.records import record_differences
from usage.services.ledger.scope import LedgerDifference, Scope, rows
from usage.services.ledger.sums import (
    call_differences,
    counter_differences,
    rollup_differences,
    usage_differences,
)

__all__ = [
    "LedgerDifference",
    "Scope",
    "call_differences",
    "counter_differences",
    "rebuild_rollups",
    "record_differences",
    "rollup_differences",
    "rows",
    "usage_differences",
]
