"""Banners above the owner's overview: suspension, overdue payments, the usage limit.

The most urgent comes first.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.urls import reverse

from billing.formats import money, percent
from billing.models import Workspace, WorkspaceMember
from invoices.models import Invoice


@dataclass(frozen=True)
class Banner:
    tone: str
    title: str
    text: str
    link: str = ""
    label: str = ""
    external: bool = False


def banners(
    *,
    membership: WorkspaceMember,
    unpaid: Sequence[Any],
    spend: Decimal | None,
    paused_by_limit: int,
    refused_details: str,
) -> list[Banner]:
    """`unpaid` are the invoices still to pay, oldest first, with their standing.

    `spend` is the current period's. `refused_details` is why Stripe refuses its billing details.
    """
    workspace = membership.workspace
    shown = [_standing(workspace, unpaid)]
    if refused_details and workspace.status != Workspace.Status.CLOSED:
        shown.append(
            Banner(
                "warn",
                "Your billing details were not accepted.",
                f"The payment provider says: {refused_details}",
                reverse("billing:settings", args=[workspace.pk]),
                "Check them",
            )
        )
    if spend is not None and workspace.status == Workspace.Status.ACTIVE:
        shown.append(_limit(membership, spend, paused_by_limit))
    return [banner for banner in shown if banner]


def _standing(workspace: Workspace, unpaid: Sequence[Invoice]) -> Banner | None:
    if workspace.status == Workspace.Status.CLOSED:
        return Banner(
            "warn", "This workspace is closed.", "It takes no calls; its history stays here."
        )
    if workspace.suspension_reason == Workspace.SuspensionReason.MANUAL:
        return Banner(
            "bad",
            "This workspace is suspended.",
            "New calls are refused and live agents paused. Please write to your account manager.",
        )
    overdue = [invoice for invoice in unpaid if invoice.status == Invoice.Status.OVERDUE]
    if workspace.status == Workspace.Status.SUSPENDED:
        text = "New calls are refused and live agents paused until "
        if not unpaid:
            return Banner(
                "bad", "This workspace is suspended for a payment.", f"{text}it has arrived."
            )
        owed = overdue or unpaid
        return Banner(
            "bad",
            f"{_why_unpaid(owed[0])}, and this workspace is suspended.",
            f"{text}{_named(owed)} paid.",
            *_pay_link(workspace, owed[0]),
        )
    if overdue:
        return Banner(
            "warn",
            f"{_why_unpaid(overdue[0])}.",
            f"{_named(overdue)} to be paid; otherwise this workspace may be suspended.",
            *_pay_link(workspace, overdue[0]),
        )
    return None


def _why_unpaid(invoice: Any) -> str:
    """`invoice` comes with its standing (`invoices.queries.with_standing`)."""
    if invoice.is_charged_automatically and not invoice.has_method:
        return "There is no payment method to charge"
    return "A payment failed" if invoice.declined else "An invoice is overdue"


def _named(invoices: Sequence[Invoice]) -> str:
    first = invoices[0]
    text = f"invoice {first.number} over {money(first.amount_due, first.currency)}"
    if len(invoices) == 1:
        return f"{text} is"
    return f"{text} and {len(invoices) - 1} more are"


def _pay_link(workspace: Workspace, invoice: Invoice) -> tuple[str, str, bool]:
    if invoice.hosted_invoice_url:
        return invoice.hosted_invoice_url, "Pay now", True
    return reverse("invoices:detail", args=[workspace.pk, invoice.pk]), "See the invoice", False


def _limit(membership: WorkspaceMember, spend: Decimal, paused: int) -> Banner | None:
    terms = membership.workspace.billing_settings
    limit = terms.usage_limit_monthly
    if limit is None:
        return None
    link = label = ""
    if membership.may_change_settings:
        link, label = (
            reverse("billing:settings", args=[membership.workspace_id]),
            "Change the limit",
        )
    if spend >= limit:
        text = "New calls are refused until the next period begins or the limit is raised."
        if paused:
            text = f"{paused} live agent{'s were' if paused != 1 else ' was'} paused. {text}"
        return Banner("bad", "The usage limit is reached.", text, link, label)
    if spend * 100 >= limit * terms.alert_threshold_percentage:
        pausing = "live agents are paused and " if terms.auto_pause_on_limit else ""
        return Banner(
            "warn",
            f"{percent(spend / limit, 0)} of the usage limit is used.",
            f"When it is reached, {pausing}new calls are refused.",
            link,
            label,
        )
    return None
