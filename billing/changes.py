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

from billing.formats import readable
from billing.models import AuditEntry, SubscriptionTier

_SHOWN = {
    "billing_workspace": {
        "name": "Name",
        "status": "Status",
        "tier_id": "Plan",
        "currency": "Currency",
        "timezone": "Timezone",
        "billing_email": "Billing e-mail",
        "billing_name": "Name on the invoice",
        "address_line1": "Address",
        "address_line2": "Address, second line",
        "address_postal_code": "Postal code",
        "address_city": "City",
        "address_state": "State or region",
        "address_country": "Country",
        "tax_id": "Tax number",
        "tax_status": "Taxed as",
        "tax_exemption": "Exempt from tax by",
        "e_invoice_format": "E-invoice",
        "e_invoice_attached": "E-invoice attached to e-mails",
        "buyer_reference": "Buyer reference",
        "order_number": "Order number",
        "electronic_address": "Electronic address",
        "electronic_address_scheme": "Scheme of the electronic address",
        "language": "Language",
        "custom_fields": "More on invoices",
    },
    "billing_workspacebillingsettings": {
        "usage_limit_monthly": "Monthly usage limit",
        "alert_threshold_percentage": "Alert at (% of the limit)",
        "auto_pause_on_limit": "Pause agents at the limit",
        "collection_method": "Payment",
        "payment_terms_days": "Payment term (days)",
        "prices_include_tax": "Prices include tax",
    },
    "billing_workspacemember": {"role": "Role"},
    "billing_invitation": {
        "role": "Role",
        "generation": "Times sent",
        "accepted_at": "Accepted",
        "cancelled_at": "Taken back",
    },
    "billing_servicekey": {"scopes": "May read", "expires_at": "Expires", "revoked_at": "Revoked"},
    "billing_addon": {
        "quantity": "Quantity",
        "unit_price": "Price of one a month",
        "starts_on": "From",
        "ends_on": "Until",
    },
    "billing_commitment": {"amount": "At least a month", "starts_on": "From", "ends_on": "Until"},
    "billing_discount": {
        "percentage": "Percent",
        "amount": "Amount",
        "starts_on": "From",
        "ends_on": "Until",
    },
    "billing_billingperiod": {"status": "Status"},
    "invoices_invoice": {"status": "Status"},
}
_SUBJECTS = {
    "billing_workspace": "Workspace",
    "billing_workspacebillingsettings": "Limits and terms",
    "billing_workspacemember": "Member",
    "billing_addon": "Add-on",
    "billing_commitment": "Minimum commitment",
    "billing_discount": "Discount",
    "billing_invitation": "Invitation of",
    "billing_servicekey": "API key",
    "billing_billingperiod": "Billing period",
    "invoices_invoice": "Invoice",
}
_NAMED = (
    "billing_workspacemember",
    "billing_addon",
    "billing_discount",
    "billing_invitation",
    "billing_servicekey",
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
        & (Q(door="page") if table in _ONLY_BY_PAGE else Q())
        for table, columns in _SHOWN.items()
    ]
    return AuditEntry.objects.filter(reduce(or_, shown), workspace_id__in=workspace_ids)


def shown_entries(entries: Iterable[AuditEntry]) -> Iterator[ShownEntry]:
    plans = dict(SubscriptionTier.objects.values_list("pk", "name"))
    for entry in entries:
        named = entry.subject if entry.table in _NAMED else ""
        yield ShownEntry(
            entry=entry,
            subject=f"{_SUBJECTS[entry.table]} {named}".strip(),
            who=shown_actor(entry),
            changes=[
                ShownChange(
                    label, *(_value(column, value, plans) for value in entry.changes[column])
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
    return entries.filter(door="page")


def shown_actor(entry: AuditEntry) -> str:
    """Members by their address; who it was of the platform is not an owner's matter."""
    if entry.door == "page":
        return entry.actor
    return "A service of the platform" if entry.door == "api" else "The platform"


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
