"""Models of billing."""

from billing.models.alerts import LimitAlert
from billing.models.audit import AuditEntry
from billing.models.costs import ExchangeRate, ProviderCost
from billing.models.discounts import AppliesTo, Coupon, Discount
from billing.models.emails import Email, EmailAttachment
from billing.models.invitations import Invitation
from billing.models.issuers import IssuerBankAccount, IssuingEntity, Letterhead
from billing.models.keys import OWNER_SCOPES, SCOPES, ServiceKey
from billing.models.manual_items import ManualItem
from billing.models.members import OptionalMail, WorkspaceMember
from billing.models.owner_views import OwnerView
from billing.models.passkeys import Passkey
from billing.models.people import OwedPasswordLink, User
from billing.models.periods import COUNTER_SLOTS, BillingPeriod, PeriodCounter
from billing.models.rate_cards import (
    PriceOverride,
    PriceRevision,
    Rate,
    RateCard,
    RateCardAssignment,
    RateCardVersion,
)
from billing.models.sessions import Session
from billing.models.taxes import TaxNumberCheck, TaxRate, TaxRegistration
from billing.models.terms import AddOn, Commitment, PeriodCharge, TierChange
from billing.models.tiers import PlatformSetting, Proration, SubscriptionTier, TierPrice
from billing.models.work import DurableWork
from billing.models.workspaces import Workspace, WorkspaceBillingSettings

__all__ = [
    "COUNTER_SLOTS",
    "OWNER_SCOPES",
    "SCOPES",
    "AddOn",
    "AppliesTo",
    "AuditEntry",
    "BillingPeriod",
    "Commitment",
    "Coupon",
    "Discount",
    "DurableWork",
    "Email",
    "EmailAttachment",
    "ExchangeRate",
    "Invitation",
    "IssuerBankAccount",
    "IssuingEntity",
    "Letterhead",
    "LimitAlert",
    "ManualItem",
    "OptionalMail",
    "OwedPasswordLink",
    "OwnerView",
    "Passkey",
    "PeriodCharge",
    "PeriodCounter",
    "PlatformSetting",
    "PriceOverride",
    "PriceRevision",
    "Proration",
    "ProviderCost",
    "Rate",
    "RateCard",
    "RateCardAssignment",
    "RateCardVersion",
    "ServiceKey",
    "Session",
    "SubscriptionTier",
    "TaxNumberCheck",
    "TaxRate",
    "TaxRegistration",
    "TierChange",
    "TierPrice",
    "User",
    "Workspace",
    "WorkspaceBillingSettings",
    "WorkspaceMember",
]
