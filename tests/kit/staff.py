"""Staff who look at the admin or act in it, and one row of each model that it shows."""

import datetime as dt
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any
from uuid import uuid4

from django.contrib.auth.models import Group, Permission
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from billing.models import (
    Email,
    IssuingEntity,
    LimitAlert,
    ManualItem,
    TaxNumberCheck,
    TaxRate,
    TaxRegistration,
    User,
    Workspace,
)
from billing.services import terms
from billing.services.coupons import create_coupon
from billing.services.invitations import invite
from billing.services.keys import create_key, create_owners_key
from invoices.models import CreditNote, EInvoice, InvoiceEvent, TaxCalculation
from invoices.payments.models import (
    CallDispute,
    Chargeback,
    Difference,
    InvoiceAction,
    Payment,
    PaymentEntry,
    ReconciliationRun,
)
from tests.kit import costs, prices
from tests.kit.invoices import make_invoice
from tests.kit.personas import NOW, make_period, make_workspace, signed_in_client
from tests.kit.usage import make_usage
from usage.models import BudgetEvent, Call, CallRollup, VoiceAgent
from usage.services.budget_facts import Level
from usage.services.budgets import create_budget

OCTOBER = dt.datetime(2026, 10, 15, tzinfo=dt.UTC)


def finance_client() -> Client:
    """Signed in as a member of the group `finance`."""
    user = User.objects.create_user("fay@finance.test", is_staff=True)
    user.groups.add(Group.objects.get(name="finance"))
    return signed_in_client(user)


def previewed(
    client: Client, address: str, action: str, rows: Sequence[Model], **asked: object
) -> tuple[str, Callable[..., Any]]:
    """The page of an action on `rows` of a list, and what confirms it with its form's values."""
    chosen = {"action": action, "_selected_action": [row.pk for row in rows]} if rows else {}
    answer = client.post(address, chosen | asked)
    assert answer.status_code == 200, answer
    preview = answer.context["preview"]
    given: dict[str, Any] = {"seen": preview.seen, "_form_submitted": "on"}
    for name, value in preview.hidden:
        given.setdefault(name, []).append(value)

    def confirm(**values: object) -> Any:
        return client.post(address, given | values)

    return answer.content.decode(), confirm


def viewer_client() -> Client:
    """Signed in as staff who may see everything and change nothing."""
    user = User.objects.create_user("vera@finance.test", is_staff=True)
    user.user_permissions.add(
        *Permission.objects.filter(
            codename__startswith="view_",
            content_type__app_label__in=["billing", "usage", "invoices", "auth", "admin"],
        )
    )
    return signed_in_client(user)


def superuser_client() -> Client:
    return signed_in_client(User.objects.create_superuser("root@finance.test"))


def make_row_of_each_model(name: str = "Acme") -> Workspace:
    """One workspace with at least one row of each model the admin shows."""
    workspace = make_workspace(name)
    invoice = make_invoice(workspace, amount="58.10")
    period = make_period(workspace)
    card = prices.published(name=f"Card of {name}")
    prices.use(card, workspace.pk)
    own = prices.rate(prices.per_unit("1"), "speech")._replace(min_margin_percentage=Decimal(10))
    prices.override(workspace.pk, own)
    costs.cost("0.01", "twilio", "call_minutes", workspace_id=workspace.pk)
    costs.exchange_rate("1.1", day=NOW.date() - dt.timedelta(days=len(name)))
    terms.add_add_on(
        workspace_id=workspace.pk,
        name="Phone numbers",
        quantity=Decimal(3),
        unit_price=Decimal("1.50"),
        now=NOW,
    )
    ManualItem.objects.create(
        workspace=workspace,
        kind="charge",
        description="Training",
        net=600,
        reason="Asked for",
        asked_by="ann@finance.test",
    )
    IssuingEntity.objects.get_or_create(
        code="DE",
        defaults={
            "series": "DE",
            "name": "Voice Platform GmbH",
            "address_line1": "Torstr. 1",
            "address_city": "Berlin",
            "address_country": "DE",
            "email": "rechnung@voice-platform.example",
        },
    )
    TaxRegistration.objects.get_or_create(
        country="DE",
        number="DE136695976",
        starts_on=dt.date(2020, 1, 1),
        ends_on=dt.date(2020, 2, 1),
    )
    TaxRate.objects.get_or_create(country="JP", percent=10, starts_on=dt.date(2020, 1, 1))
    TaxNumberCheck.objects.create(
        workspace=workspace, number="DE136695976", status="done", finished_at=NOW
    )
    TaxCalculation.objects.create(
        workspace=workspace,
        period=period,
        digest="0" * 64,
        question={
            "address": {"city": "Austin", "state": "TX", "postal_code": "78701"},
            "currency": "USD",
            "lines": [{"tax_class": "standard", "code": "txcd_10103001", "amount": "61.34"}],
        },
        next_attempt_at=NOW,
    )
    terms.add_commitment(workspace_id=workspace.pk, amount=Decimal(20), now=NOW)
    code = f"ONLY-{name.upper()}"
    create_coupon(code=code, name="Welcome", percentage=Decimal(5), now=NOW)
    terms.redeem_coupon(workspace_id=workspace.pk, code=code, now=NOW)
    period.counters.filter(slot=0).update(
        records=1, total_cost=Decimal("10"), final_cost=Decimal("12.3456789")
    )
    LimitAlert.objects.create(
        workspace=workspace,
        period=period,
        kind="threshold",
        spend=Decimal("400"),
        usage_limit=Decimal("500"),
        threshold_percentage=Decimal("80"),
    )
    budget = create_budget(
        workspace_id=workspace.pk,
        facts={
            "name": f"Budget of {name}",
            "scope": "workspace",
            "period": "month",
            "amount": "500",
            "levels": [Level(Decimal(80))],
        },
        now=NOW,
    ).budget
    BudgetEvent.objects.create(
        budget=budget,
        workspace=workspace,
        period_start=NOW.date().replace(day=1),
        amount=budget.amount,
        percentage=Decimal(80),
        spend=Decimal(400),
        notifies=True,
        pauses=False,
    )
    Email.objects.create(
        key=f"key {name}",
        kind="limit",
        workspace=workspace,
        recipients=[f"owner@{name.lower()}.test"],
        subject=f"About {name}",
        text="Text of it",
        html="<p>HTML of it</p>",
    ).attachments.create(filename="x.pdf", media_type="application/pdf", content=b"%PDF-")
    invite(
        workspace_id=workspace.pk,
        email=f"invited@{name.lower()}.test",
        role="viewer",
        invited_by=None,
        now=NOW,
    )
    create_owners_key(
        workspace_id=workspace.pk,
        name=f"{name} report",
        scopes=["usage:read"],
        expires_at=None,
        now=NOW,
    )
    create_key(name=f"{name} ingest", scopes=["usage:write"], now=NOW, workspace_id=workspace.pk)
    agent = VoiceAgent.objects.create(workspace=workspace, name=f"{name} desk", status="live")
    call = Call.objects.create(
        id=uuid4(),
        workspace=workspace,
        agent=agent,
        direction="inbound",
        status="completed",
        provider="twilio",
        started_at=NOW,
        ended_at=NOW + dt.timedelta(minutes=3),
        duration_seconds=Decimal("180"),
        local_date=NOW.date(),
        local_hour=9,
    )
    make_usage(workspace, NOW, "10", "1", call_id=call.pk)
    CallRollup.objects.create(
        workspace=workspace,
        local_date=NOW.date(),
        provider="twilio",
        status="completed",
        direction="inbound",
        calls=1,
        duration_seconds=Decimal("180"),
    )
    InvoiceEvent.objects.create(
        invoice=invoice, kind="payment_failed", at=NOW, source="Stripe", detail="Card declined."
    )
    InvoiceAction.objects.create(invoice=invoice, kind="retry_payment")
    PaymentEntry.objects.create(
        invoice=invoice,
        kind="payment",
        stripe_id=f"ch_{name}",
        amount=Decimal("58.10"),
        status="succeeded",
        occurred_at=NOW,
    )
    note = CreditNote.objects.create(
        workspace=workspace,
        invoice=invoice,
        number=f"INV-CN-{name}",
        status="issued",
        reason="goodwill",
        explanation=f"Sorry, {name}",
        currency=invoice.currency,
        net=Decimal("5.00"),
        tax=Decimal(0),
        total=Decimal("5.00"),
        rest_to="credit",
        to_open=Decimal("5.00"),
        drafted_by="fiona",
        approved_by="fiona",
        issued_at=NOW,
    )
    EInvoice.objects.create(
        workspace=workspace,
        credit_note=note,
        format="xrechnung",
        parties={},
        xml="<CreditNote/>",
        rules="XRechnung 3.0",
        created_at=NOW,
    )
    Payment.objects.create(
        workspace=workspace,
        way="bank_transfer",
        currency=workspace.currency,
        amount=Decimal("3.00"),
        received_on=NOW.date(),
        reference=f"SEPA {name}",
        recorded_by="fiona",
    )
    CallDispute.objects.create(
        workspace=workspace,
        call_id=call.pk,
        reason="quality",
        text=f"{name} could not be understood",
        currency=workspace.currency,
        price=Decimal(12),
        opened_by="owner",
        opened_at=NOW,
    )
    Chargeback.objects.create(
        workspace=workspace,
        invoice=invoice,
        stripe_id=f"du_{name}",
        currency=invoice.currency,
        amount=Decimal("58.10"),
        reason="fraudulent",
        status="needs_response",
        due_by=NOW + dt.timedelta(days=7),
        opened_at=NOW,
    )
    run = ReconciliationRun.objects.create(days=35, checked=1)
    Difference.objects.create(
        run=run, invoice=invoice, kind="status", ours="open", theirs="paid", remedy="settle"
    )
    return workspace


def press(client: Client, model: str, action: str, pk: object, **fields: object):
    """Confirm the dialog of an action on a detail page."""
    address = reverse(f"admin:{model}_{action}", args=[pk])
    return client.post(address, {"_form_submitted": "on", **fields})


def change_page(client: Client, model: str, pk: object) -> str:
    return client.get(reverse(f"admin:{model}_change", args=[pk])).content.decode()


def page_after(client: Client, response) -> str:
    return client.get(response["Location"]).content.decode()


# Parts of a workspace's page that are tables, empty ones.
_TABLES = ("add_ons", "commitments", "discounts")


def workspace_address(workspace: Workspace, part: str = "") -> str:
    address = reverse("admin:billing_workspace_change", args=[workspace.pk])
    return f"{address}?part={part}" if part else address


def workspace_form(workspace: Workspace, part: str = "", **changes: object) -> dict[str, object]:
    """A workspace's page, or one of its tabs, as it was shown, with some fields changed."""
    terms = workspace.billing_settings
    member = workspace.memberships.get()
    shown: dict[str, dict[str, object]] = {
        "": {
            "name": workspace.name,
            "status": workspace.status,
            "tier": workspace.tier_id,
            "currency": workspace.currency,
            "timezone": workspace.timezone,
            "billing_email": workspace.billing_email,
            "tax_status": workspace.tax_status,
            "e_invoice_format": workspace.e_invoice_format,
            "language": workspace.language,
            "custom_fields": "{}",
        },
        "billing_settings": {
            "billing_settings-TOTAL_FORMS": 1,
            "billing_settings-INITIAL_FORMS": 1,
            "billing_settings-0-workspace": workspace.pk,
            "billing_settings-0-alert_threshold_percentage": terms.alert_threshold_percentage,
            "billing_settings-0-auto_pause_on_limit": "on",
            "billing_settings-0-collection_method": terms.collection_method,
            "billing_settings-0-payment_terms_days": terms.payment_terms_days,
        },
        "memberships": {
            "memberships-TOTAL_FORMS": 1,
            "memberships-INITIAL_FORMS": 1,
            "memberships-0-id": member.pk,
            "memberships-0-workspace": workspace.pk,
            "memberships-0-user": member.user_id,
            "memberships-0-role": member.role,
        },
        **{
            table: {f"{table}-{count}_FORMS": 0 for count in ("TOTAL", "INITIAL")}
            for table in _TABLES
        },
    }
    return {**shown[part], **changes}
