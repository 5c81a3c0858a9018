"""Every kind of caller there is, and what of Acme's they ask for."""

import datetime as dt
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

from django.contrib.auth.models import Group, Permission
from django.test import Client
from django.utils import timezone as clock

from billing.models import SCOPES, ProviderCost, ServiceKey, User, Workspace
from billing.services.keys import create_key, revoke_key
from invoices.models import Invoice, InvoiceItem
from invoices.payments.models import MonthRecord
from tests.kit.personas import member_client, signed_in_client
from usage.models import Call, UsageRecord, VoiceAgent


def key_client(*scopes: str, workspace: Workspace | None = None, **facts: Any) -> Client:
    _, secret = create_key(
        name="Matrix",
        scopes=scopes or SCOPES,
        now=clock.now(),
        workspace_id=workspace and workspace.pk,
        **facts,
    )
    return Client(headers={"Authorization": f"Bearer {secret}"})


def refused_keys() -> dict[str, Client]:
    hour = dt.timedelta(hours=1)
    key, secret = create_key(name="Matrix", scopes=SCOPES, now=clock.now())
    revoke_key(key=key, now=clock.now())
    return {
        "unknown key": Client(headers={"Authorization": f"Bearer vb_{uuid4().hex[:12]}_x"}),
        "expired key": key_client(expires_at=clock.now() - hour),
        "revoked key": Client(headers={"Authorization": f"Bearer {secret}"}),
    }


def scoped_keys() -> dict[str, Client]:
    """A key of each scope, bound to no workspace."""
    return {scope: key_client(scope) for scope in SCOPES}


def members(acme: Workspace) -> dict[str, Client]:
    return {role: member_client(acme, role=role) for role in ("owner", "admin", "viewer")}


def staff() -> dict[str, Client]:
    """Staff by their groups, and by no group at all."""
    people = {"staff": User.objects.create_user("nobody@staff.test", is_staff=True)}
    groups = {"read-only": "finance-read-only", "support": "support", "finance": "finance"}
    for name, group in groups.items():
        people[name] = User.objects.create_user(f"{name}@staff.test", is_staff=True)
        people[name].groups.add(Group.objects.get(name=group))
    people["people"] = User.objects.create_user("people@staff.test", is_staff=True)
    people["people"].user_permissions.add(*Permission.objects.all())
    people["superuser"] = User.objects.create_superuser("root@staff.test")
    return {name: signed_in_client(person) for name, person in people.items()}


def _signed_month() -> MonthRecord:
    facts = {"snapshot": {"steps": [], "sums": []}, "digest": "0", "is_complete": True}
    return MonthRecord.objects.get_or_create(
        month=dt.date(2026, 10, 1), signed_by="fay@finance.test", defaults=facts
    )[0]


def values_of(acme: Workspace) -> dict[str, Any]:
    """What of Acme's stands in an address, by the name of the part."""
    invoice = Invoice.objects.get(workspace=acme)
    assignment = acme.rate_card_assignments.get()
    return {
        "workspace_id": acme.pk,
        "member_id": acme.memberships.first().pk,
        "agent_id": VoiceAgent.objects.get(workspace=acme).pk,
        "call_id": Call.objects.get(workspace=acme).pk,
        "record_id": UsageRecord.objects.filter(workspace=acme).first().pk,
        "period_id": acme.periods.get(status="current").pk,
        "invoice_id": invoice.pk,
        "credit_note_id": invoice.credit_notes.get().pk,
        "e_invoice_id": acme.e_invoices.get().pk,
        "payment_id": acme.payments.get().pk,
        "dispute_id": acme.call_disputes.get().pk,
        "chargeback_id": acme.chargebacks.get().pk,
        "field": "receipt",
        "item_id": InvoiceItem.objects.filter(invoice=invoice).first().pk,
        "card_id": assignment.card_id,
        "month_record_id": _signed_month().pk,
        "number": 1,
        "assignment_id": assignment.pk,
        "key_id": ServiceKey.objects.get(workspace=acme, by_owner=True).pk,
        "invitation_id": acme.invitations.get().pk,
        "cost_id": ProviderCost.objects.get(workspace=acme).pk,
        "line_id": acme.manual_items.get().pk,
        "budget_id": acme.budgets.get().pk,
        "add_on_id": acme.add_ons.get().pk,
        "commitment_id": acme.commitments.get().pk,
        "discount_id": acme.discounts.get().pk,
        "coupon_id": acme.discounts.get().coupon_id,
        "override_id": acme.price_overrides.get().pk,
        "rate_id": acme.price_overrides.get().pk,
        "attachment_id": acme.emails.get().attachments.get().pk,
        "work_kind": "billing.email",
        "report_key": "revenue",
        "file_format": "csv",
        "work_id": acme.emails.get().pk,
        "passkey_id": 1,
        "uidb64": "MQ",
        "token": "x-y",
    }


def names_of(acme: Workspace) -> Iterator[str]:
    """Texts that tell that an answer is about Acme."""
    yield "Acme"
    yield from (str(value) for value in values_of(acme).values() if isinstance(value, UUID))
    yield Invoice.objects.get(workspace=acme).number
