"""The demo's workspaces with their people, agents, terms and cards; each step can be repeated."""

import datetime as dt
from collections.abc import Sequence
from decimal import ROUND_DOWN, ROUND_UP, Decimal
from uuid import uuid5

from django.contrib.auth.hashers import make_password

from billing.models import PlatformSetting, User
from billing.money import ZERO
from billing.queries import account_of_workspace
from billing.rating import markup_factor, rate
from billing.services.staff import ensure_finance_group
from billing.services.workspaces import (
    create_workspace,
    update_billing_settings,
    update_workspace,
)
from dev.demo.calls import DemoCall
from dev.demo.months import demo_months
from dev.demo.personas import FINANCE_EMAIL, SECOND_EMAIL, Company, Story
from invoices.payments.services import stripe_client
from invoices.payments.services.customers import ensure_customer
from usage.models import VoiceAgent
from usage.services.agents import create_agent

_CARDS = {
    Story.DECLINED: "pm_card_chargeCustomerFail",
    # Its bank takes the payment back as soon as it is made.
    Story.NEAR_LIMIT: "pm_card_createDispute",
}


def make_finance() -> None:
    if not User.objects.filter(email__iexact=FINANCE_EMAIL).exists():
        User.objects.create_superuser(FINANCE_EMAIL, name="Finance")
    if not User.objects.filter(email__iexact=SECOND_EMAIL).exists():
        second = User.objects.create_user(SECOND_EMAIL, name="Controlling", is_staff=True)
        second.groups.add(ensure_finance_group())


def make_workspace(company: Company, *, now: dt.datetime) -> None:
    """The workspace, as if it had joined when last month began."""
    joined_at = demo_months(now, company.zone).last.start
    workspace, _ = create_workspace(
        workspace_id=company.id,
        name=company.name,
        owner_email=company.owner_email,
        tier=company.tier,
        currency=company.currency,
        timezone=company.timezone,
        billing_email=f"billing@{company.slug}.example",
        now=joined_at,
    )
    address = company.address
    update_workspace(
        workspace_id=workspace.pk,
        changes={
            "address_line1": address.line1,
            "address_city": address.city,
            "address_postal_code": address.postal_code,
            "address_state": address.state,
            "address_country": address.country,
            "language": company.language,
            "issuing_entity": company.issuing_entity or None,
            "e_invoice_format": company.e_invoice_format,
            "buyer_reference": company.buyer_reference,
        },
        now=now,
    )
    if company.markup_percentage is not None:
        update_billing_settings(
            workspace_id=workspace.pk,
            # Whoever has a markup of their own knows of it, and sees the costs it is on.
            changes={
                "markup_percentage": company.markup_percentage,
                "owners_see": "price_and_cost",
            },
            now=now,
        )
    if company.story is Story.PART_PAID:
        update_billing_settings(
            workspace_id=workspace.pk, changes={"collection_method": "send_invoice"}, now=now
        )
    for number, name in enumerate(company.agents):
        create_agent(
            agent_id=uuid5(company.id, f"agent/{number}"),
            workspace_id=workspace.pk,
            name=name,
            status=VoiceAgent.Status.LIVE,
            now=now,
        )


def let_in(personas: Sequence[Company], *, password: str) -> None:
    """Let finance and the personas' owners in with `password`, hashed once for all of them."""
    emails = [FINANCE_EMAIL, SECOND_EMAIL, *(company.owner_email for company in personas)]
    User.objects.filter(email__in=emails).update(password=make_password(password))
    for company in personas:
        User.objects.filter(email=company.owner_email).update(language=company.language)


def attach_card(company: Company, *, now: dt.datetime) -> None:
    """Give the workspace's customer in Stripe a test card to be charged; raises `StripeFailure`."""
    account = account_of_workspace(company.id)
    customer_id = ensure_customer(workspace_id=company.id, account=account, now=now)
    card = _CARDS.get(company.story, "pm_card_visa")
    method = stripe_client.post(
        account, f"/v1/payment_methods/{card}/attach", {"customer": customer_id}
    )
    stripe_client.post(
        account,
        f"/v1/customers/{customer_id}",
        {"invoice_settings": {"default_payment_method": method["id"]}},
    )


def set_limit(company: Company, calls: list[DemoCall], *, now: dt.datetime) -> Decimal | None:
    """Before this month's `calls` go in, a limit that they will come near to, or cross."""
    if company.story not in (Story.NEAR_LIMIT, Story.OVER_LIMIT):
        return None
    spend = _spend(company, calls)
    if not spend:
        return None
    if company.story is Story.NEAR_LIMIT:
        limit = _three_digits(spend / Decimal("0.94"), ROUND_UP)
    else:
        limit = _three_digits(spend * Decimal("0.985"), ROUND_DOWN)
    update_billing_settings(
        workspace_id=company.id, changes={"usage_limit_monthly": limit}, now=now
    )
    return limit


def _spend(company: Company, calls: list[DemoCall]) -> Decimal:
    markup = company.markup_percentage
    if markup is None:
        markup = PlatformSetting.objects.get(name=PlatformSetting.MARKUP).value
    factor = markup_factor(markup)
    return sum(
        (
            rate(use.quantity, use.unit_cost, factor)[1]
            for call in calls
            for use in call.uses
            if use.unit_cost is not None
        ),
        ZERO,
    )


def _three_digits(amount: Decimal, rounding: str) -> Decimal:
    """A limit as people set them: 412.3187 as 413 or 412."""
    step = Decimal(1).scaleb(max(amount.adjusted() - 2, -4))
    return amount.quantize(step, rounding=rounding)
