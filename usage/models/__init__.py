"""Models of usage."""

from usage.models.agents import VoiceAgent
from usage.models.calls import Call, CallRollup
from usage.models.records import UsageRecord, UsageRollup

__all__ = ["Call", "CallRollup", "UsageRecord", "UsageRollup", "VoiceAgent"]
