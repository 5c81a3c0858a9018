"""Tamper evidence: seals over closed periods, their verification and their export."""

from usage.services.sealing.anchors import anchor_heads, head_line
from usage.services.sealing.export import export_workspace
from usage.services.sealing.seals import (
    CannotSeal,
    seal_closed_periods,
    seal_period,
    unsealed_periods,
)
from usage.services.sealing.verify import (
    Finding,
    Head,
    heads,
    verify_chain,
    verify_chains,
    verify_period,
)

__all__ = [
    "CannotSeal",
    "Finding",
    "Head",
    "anchor_heads",
    "export_workspace",
    "head_line",
    "heads",
    "seal_closed_periods",
    "seal_period",
    "unsealed_periods",
    "verify_chain",
    "verify_chains",
    "verify_period",
]
