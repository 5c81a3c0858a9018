"""Models of billing."""

from billing.models.audit import AuditEntry
from billing.models.costs import ExchangeRate, ProviderCost
from billing.models.emails import Email, EmailAttachment
from billing.models.keys import SCOPES, ServiceKey
from billing.models.people import User
from billing.models.periods import COUNTER_SLOTS, BillingPeriod, LimitAlert, PeriodCounter
from billing.models.rate_cards import (
    PriceOverride,
    PriceRevision,
    Rate,
    RateCard,
    RateCardAssignment,
    RateCardVersion,
)
from billing.models.tiers import PlatformSetting, SubscriptionTier, TierPrice
from billing.models.workspaces import Workspace, WorkspaceBillingSettings, WorkspaceMember

__all__ = [
    "COUNTER_SLOTS",
    "SCOPES",
    "AuditEntry",
    "BillingPeriod",
    "Email",
    "EmailAttachment",
    "ExchangeRate",
    "LimitAlert",
    "PeriodCounter",
    "PlatformSetting",
    "PriceOverride",
    "PriceRevision",
    "ProviderCost",
    "Rate",
    "RateCard",
    "RateCardAssignment",
    "RateCardVersion",
    "ServiceKey",
    "SubscriptionTier",
    "TierPrice",
    "User",
    "Workspace",
    "WorkspaceBillingSettings",
    "WorkspaceMember",
]
