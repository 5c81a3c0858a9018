"""Models of usage."""

from usage.models.agents import VoiceAgent
from usage.models.budgets import (
    Budget,
    BudgetDelivery,
    BudgetEvent,
    BudgetLevel,
    BudgetOptOut,
    BudgetRecipient,
    BudgetState,
    BudgetTest,
)
from usage.models.call_prices import CallPrice, CallPriceProgress, CallPriceRollup
from usage.models.calls import Call, CallRollup
from usage.models.findings import CostDrift, LowMargin
from usage.models.heartbeats import ProviderHeartbeat
from usage.models.meters import PeriodMeter
from usage.models.records import UsageRecord
from usage.models.rollups import DimensionRollup, UsageRollup
from usage.models.seals import PeriodSeal, SealChain, SealFingerprints

__all__ = [
    "Budget",
    "BudgetDelivery",
    "BudgetEvent",
    "BudgetLevel",
    "BudgetOptOut",
    "BudgetRecipient",
    "BudgetState",
    "BudgetTest",
    "Call",
    "CallPrice",
    "CallPriceProgress",
    "CallPriceRollup",
    "CallRollup",
    "CostDrift",
    "DimensionRollup",
    "LowMargin",
    "PeriodMeter",
    "PeriodSeal",
    "ProviderHeartbeat",
    "SealChain",
    "SealFingerprints",
    "UsageRecord",
    "UsageRollup",
    "VoiceAgent",
]
