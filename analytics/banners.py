"""Banners above the owner's overview: suspension, overdue payments, the usage limit.

The most urgent comes first.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.formats import long_date, money, percent
from billing.models import Workspace, WorkspaceMember
from invoices.models import Invoice, PaymentMethod


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
    expiring: PaymentMethod | None,
    today: dt.date,
    pausing_budgets: Sequence[str] = (),
) -> list[Banner]:
    """`unpaid` are the invoices still to pay, oldest first, with their standing.

    `spend` is the current period's. `refused_details` is why Stripe refuses its billing details.
    `expiring` is the card that soon cannot be charged, or cannot be `today`. `pausing_budgets` are
    the names of budgets that hold agents paused.
    """
    workspace = membership.workspace
    shown = [_standing(workspace, unpaid)]
    if refused_details and workspace.status != Workspace.Status.CLOSED:
        shown.append(
            Banner(
                "warn",
                _("Your billing details were not accepted."),
                _("The payment provider says: {said}").format(said=refused_details),
                reverse("billing:settings", args=[workspace.pk]),
                _("Check them"),
            )
        )
    if expiring is not None:
        shown.append(card_banner(expiring, today))
    if spend is not None and workspace.status == Workspace.Status.ACTIVE:
        shown.append(_limit(membership, spend, paused_by_limit))
    if pausing_budgets and workspace.status == Workspace.Status.ACTIVE:
        shown.append(
            Banner(
                "bad",
                _("Agents are paused by a budget: {names}.").format(
                    names=", ".join(pausing_budgets)
                ),
                _("They come back when its next period begins, or when it is raised or removed."),
                reverse("usage:budgets", args=[workspace.pk]),
                _("See the budgets"),
            )
        )
    return [banner for banner in shown if banner]


def card_banner(card: PaymentMethod, today: dt.date) -> Banner:
    """That a card expires soon, or has expired."""
    assert card.expires_on is not None
    day = long_date(card.expires_on)
    if card.expires_on < today:
        title = _("{card} expired on {day}.").format(card=card.label, day=day)
    else:
        title = _("{card} expires on {day}.").format(card=card.label, day=day)
    return Banner(
        "bad" if card.expires_on < today else "warn",
        title,
        _("Your invoices are charged to it: add another one under “Payment method”."),
        reverse("invoices:list", args=[card.workspace_id]),
        _("Payment method"),
    )


def _standing(workspace: Workspace, unpaid: Sequence[Invoice]) -> Banner | None:
    if workspace.status == Workspace.Status.CLOSED:
        return Banner(
            "warn", _("This workspace is closed."), _("It takes no calls; its history stays here.")
        )
    if workspace.suspension_reason == Workspace.SuspensionReason.MANUAL:
        return Banner(
            "bad",
            _("This workspace is suspended."),
            _(
                "New calls are refused and live agents paused. Please write to your account"
                " manager."
            ),
        )
    overdue = [invoice for invoice in unpaid if invoice.status == Invoice.Status.OVERDUE]
    if workspace.status == Workspace.Status.SUSPENDED:
        if not unpaid:
            return Banner(
                "bad",
                _("This workspace is suspended for a payment."),
                _("New calls are refused and live agents paused until it has arrived."),
            )
        owed = overdue or unpaid
        return Banner(
            "bad",
            _("{reason}, and this workspace is suspended.").format(reason=_why_unpaid(owed[0])),
            _(
                "New calls are refused and live agents paused until this is paid: {invoices}."
            ).format(invoices=_named(owed)),
            *_pay_link(workspace, owed[0]),
        )
    if overdue:
        return Banner(
            "warn",
            f"{_why_unpaid(overdue[0])}.",
            _("To be paid, or this workspace may be suspended: {invoices}.").format(
                invoices=_named(overdue)
            ),
            *_pay_link(workspace, overdue[0]),
        )
    return None


def _why_unpaid(invoice: Any) -> str:
    """`invoice` comes with its standing (`invoices.queries.with_standing`)."""
    if invoice.is_charged_automatically and not invoice.has_method:
        return _("There is no payment method to charge")
    return _("A payment failed") if invoice.declined else _("An invoice is overdue")


def _named(invoices: Sequence[Invoice]) -> str:
    first, more = invoices[0], len(invoices) - 1
    text = _("invoice {number} over {amount}").format(
        number=first.number, amount=money(first.amount_due, first.currency)
    )
    if not more:
        return text
    form = ngettext("{invoice} and {count} more", "{invoice} and {count} more", more)
    return form.format(invoice=text, count=more)


def _pay_link(workspace: Workspace, invoice: Invoice) -> tuple[str, str, bool]:
    if invoice.hosted_invoice_url:
        return invoice.hosted_invoice_url, _("Pay now"), True
    return reverse("invoices:detail", args=[workspace.pk, invoice.pk]), _("See the invoice"), False


def _limit(membership: WorkspaceMember, spend: Decimal, paused: int) -> Banner | None:
    terms = membership.workspace.billing_settings
    limit = terms.usage_limit_monthly
    if limit is None:
        return None
    link = label = ""
    if membership.may_change_settings:
        link, label = (
            reverse("billing:settings", args=[membership.workspace_id]),
            _("Change the limit"),
        )
    if spend >= limit:
        text = _("New calls are refused until the next period begins or the limit is raised.")
        if paused:
            told = ngettext(
                "{count} live agent was paused.", "{count} live agents were paused.", paused
            ).format(count=paused)
            text = f"{told} {text}"
        return Banner("bad", _("The usage limit is reached."), text, link, label)
    if spend * 100 >= limit * terms.alert_threshold_percentage:
        return Banner(
            "warn",
            _("{share} of the usage limit is used.").format(share=percent(spend / limit, 0)),
            _("When it is reached, live agents are paused and new calls are refused.")
            if terms.auto_pause_on_limit
            else _("When it is reached, new calls are refused."),
            link,
            label,
        )
    return None
