"""A workspace's part of the audit log, in its owners' words.

Only what is listed here is shown: the platform's own matters, such as its markup, are nobody's
but finance's.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal, InvalidOperation
from functools import reduce
from operator import or_
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q, QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_noop as _noop

from billing.formats import readable
from billing.models import AuditEntry, SubscriptionTier

_SHOWN = {
    "billing_workspace": {
        "name": _noop("Name"),
        "status": _noop("Status"),
        "tier_id": _noop("Plan"),
        "currency": _noop("Currency"),
        "timezone": _noop("Timezone"),
        "billing_email": _noop("Billing e-mail"),
        "billing_name": _noop("Name on the invoice"),
        "address_line1": _noop("Address"),
        "address_line2": _noop("Address, second line"),
        "address_postal_code": _noop("Postal code"),
        "address_city": _noop("City"),
        "address_state": _noop("State or region"),
        "address_country": _noop("Country"),
        "tax_id": _noop("Tax number"),
        "tax_status": _noop("Taxed as"),
        "tax_exemption": _noop("Exempt from tax by"),
        "e_invoice_format": _noop("E-invoice"),
        "e_invoice_attached": _noop("E-invoice attached to e-mails"),
        "buyer_reference": _noop("Buyer reference"),
        "order_number": _noop("Order number"),
        "electronic_address": _noop("Electronic address"),
        "electronic_address_scheme": _noop("Scheme of the electronic address"),
        "language": _noop("Language"),
        "custom_fields": _noop("More on invoices"),
    },
    "billing_workspacebillingsettings": {
        "usage_limit_monthly": _noop("Monthly usage limit"),
        "alert_threshold_percentage": _noop("Alert at (% of the limit)"),
        "auto_pause_on_limit": _noop("Pause agents at the limit"),
        "collection_method": _noop("Payment"),
        "payment_terms_days": _noop("Payment term (days)"),
        "prices_include_tax": _noop("Prices include tax"),
    },
    "billing_workspacemember": {"role": _noop("Role")},
    "billing_ownerview": {"seen_by": _noop("By"), "reason": _noop("Why")},
    "billing_invitation": {
        "role": _noop("Role"),
        "generation": _noop("Times sent"),
        "accepted_at": _noop("Accepted"),
        "cancelled_at": _noop("Taken back"),
    },
    "billing_servicekey": {
        "scopes": _noop("May read"),
        "expires_at": _noop("Expires"),
        "revoked_at": _noop("Revoked"),
    },
    "billing_addon": {
        "quantity": _noop("Quantity"),
        "unit_price": _noop("Price of one a month"),
        "starts_on": _noop("From"),
        "ends_on": _noop("Until"),
    },
    "billing_commitment": {
        "amount": _noop("At least a month"),
        "starts_on": _noop("From"),
        "ends_on": _noop("Until"),
    },
    "billing_discount": {
        "percentage": _noop("Percent"),
        "amount": _noop("Amount"),
        "starts_on": _noop("From"),
        "ends_on": _noop("Until"),
    },
    "usage_budget": {
        "name": _noop("Name"),
        "period": _noop("Per"),
        "amount": _noop("Amount"),
        "resource_type": _noop("Resource type"),
        "webhook_kind": _noop("Webhook"),
        "webhook_url": _noop("Address of the webhook"),
    },
    "usage_budgetlevel": {
        "percentage": _noop("Percent"),
        "notifies": _noop("Notifies"),
        "pauses": _noop("Pauses agents"),
    },
    "usage_budgetrecipient": {"email": _noop("E-mail address")},
    "billing_billingperiod": {"status": _noop("Status")},
    "invoices_invoice": {"status": _noop("Status")},
}
_SUBJECTS = {
    "billing_workspace": _noop("Workspace"),
    "billing_workspacebillingsettings": _noop("Limits and terms"),
    "billing_workspacemember": _noop("Member"),
    "billing_addon": _noop("Add-on"),
    "billing_commitment": _noop("Minimum commitment"),
    "billing_discount": _noop("Discount"),
    "billing_ownerview": _noop("Seen as you see it, by the platform"),
    "billing_invitation": _noop("Invitation of"),
    "billing_servicekey": _noop("API key"),
    "usage_budget": _noop("Budget"),
    "usage_budgetlevel": _noop("Level of budget"),
    "usage_budgetrecipient": _noop("Told by budget"),
    "billing_billingperiod": _noop("Billing period"),
    "invoices_invoice": _noop("Invoice"),
}
_NAMED = (
    "billing_workspacemember",
    "billing_addon",
    "billing_discount",
    "billing_invitation",
    "billing_servicekey",
    "usage_budget",
    "usage_budgetlevel",
    "usage_budgetrecipient",
    "invoices_invoice",
)
# Keys that the platform's services have for a workspace are not its owners' matter.
_ONLY_BY_PAGE = ("billing_servicekey",)
_NUMBERS = ("usage_limit", "alert_threshold", "quantity", "unit_price", "amount", "percentage")
_WORDS = {"true": "on", "false": "off"}


class ShownChange(NamedTuple):
    name: str
    before: str
    after: str


class ShownEntry(NamedTuple):
    entry: AuditEntry
    subject: str
    who: str
    changes: list[ShownChange]


def entries_of(workspace_ids: Sequence[UUID]) -> QuerySet[AuditEntry]:
    """What their owners may see of workspaces' changes."""
    shown = [
        Q(table=table, changes__has_any_keys=list(columns))
        & (Q(channel="page") if table in _ONLY_BY_PAGE else Q())
        for table, columns in _SHOWN.items()
    ]
    return AuditEntry.objects.filter(reduce(or_, shown), workspace_id__in=workspace_ids)


def shown_entries(entries: Iterable[AuditEntry]) -> Iterator[ShownEntry]:
    plans = dict(SubscriptionTier.objects.values_list("pk", "name"))
    for entry in entries:
        named = entry.subject if entry.table in _NAMED else ""
        yield ShownEntry(
            entry=entry,
            subject=f"{_(_SUBJECTS[entry.table])} {named}".strip(),
            who=shown_actor(entry),
            changes=[
                ShownChange(
                    _(label), *(_value(column, value, plans) for value in entry.changes[column])
                )
                for column, label in _SHOWN[entry.table].items()
                if column in entry.changes
            ],
        )


def shown_columns(entry: AuditEntry) -> dict[str, list[str | None]]:
    """What an owner may see of an entry: column -> [before, after]."""
    return {name: entry.changes[name] for name in _SHOWN[entry.table] if name in entry.changes}


def with_shown_actor(entries: QuerySet[AuditEntry]) -> QuerySet[AuditEntry]:
    """Those of which an owner may see who it was."""
    return entries.filter(channel="page")


def shown_actor(entry: AuditEntry) -> str:
    """Members by their address; who it was of the platform is not an owner's matter."""
    if entry.channel == "page":
        return entry.actor
    return _("A service of the platform") if entry.channel == "api" else _("The platform")


def _value(column: str, value: str | None, plans: dict[int, str]) -> str:
    if value is None or value == "":
        return "none"
    if column == "tier_id":
        return readable(plans.get(int(value), value))
    if column.endswith("_at"):
        return value[:16].replace("T", " ") + " UTC"
    if column == "scopes":
        return ", ".join(json.loads(value))
    if column in ("status", "role", "collection_method"):
        return readable(value)
    if column.startswith(_NUMBERS):
        try:
            return f"{Decimal(value).normalize():f}"
        except InvalidOperation:
            return value
    return _WORDS.get(value, value)
