"""What tells of a budget's level: mails to its people, and a webhook through an adapter.

Both are rows of the transaction that writes the event: nothing is sent before it, and nothing
twice.
"""

import base64
import datetime as dt
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID

from django.utils.translation import gettext as _

from billing import months
from billing.formats import date_range, money, percent
from billing.languages import in_language
from billing.links import page_url
from billing.models import OptionalMail, Workspace
from billing.money import EXACT, without_exponent
from billing.outage import Outage, Silent
from billing.services.emails import addresses_wanting
from billing.services.notifications import Notification, mail_notification
from billing.services.work import Busy, Claim, LeaseLost, WorkKind
from billing.webhooks import DeliveryRejected, NotDelivered, UnfitAddress, check_address, post
from usage.models import Budget, BudgetDelivery, BudgetEvent
from usage.queries.budgets import BudgetSpan, BudgetStanding, span_of
from usage.resources import resource
from usage.services.budget_opt_outs import opt_outs, unsubscribe_url

# About a day and a half of tries. Whose address it is finds out on the budget's page: it is no
# matter of finance's.
_MAX_TRIES = 20
DELIVERIES = WorkKind(
    BudgetDelivery,
    task="usage.deliver_budget_webhook",
    first_wait=dt.timedelta(minutes=1),
    longest_wait=dt.timedelta(hours=3),
    may_be_given_up=True,
)


def subject_of(budget: Budget) -> str:
    """What it counts, as a heading."""
    if budget.scope == Budget.Scope.AGENT:
        return _("Agent {name}").format(name=budget.agent.name if budget.agent else "")
    if budget.scope == Budget.Scope.RESOURCE_TYPE:
        return resource(budget.resource_type).label
    return _("Whole workspace")


def tell(event: BudgetEvent, standing: BudgetStanding, *, now: dt.datetime) -> None:
    """Queue what tells of it, in the transaction that writes it."""
    budget = event.budget
    with_account, without = _addresses(budget)

    def mail(key: str, addresses: list[str], url: str = "") -> None:
        mail_notification(
            budget.workspace,
            addresses,
            lambda: _notification(event, standing.span, paused=_is_paused(standing, now)),
            key=key,
            kind="budget",
            now=now,
            unsubscribe_url=url,
        )

    mail(f"budget:{event.pk}", with_account)
    for email in without:
        # Each by itself: the link in it is its reader's.
        digest = hashlib.sha256(email.lower().encode()).hexdigest()[:16]
        url = unsubscribe_url(budget.workspace_id, email)
        mail(f"budget:{event.pk}:{digest}", [email], url)
    if budget.webhook_kind:
        BudgetDelivery.objects.create(event=event, requested_at=now, next_attempt_at=now)
        DELIVERIES.start(event.pk)


def _is_paused(standing: BudgetStanding, now: dt.datetime) -> bool:
    return standing.pauses and standing.ends_at > now


def _addresses(budget: Budget) -> tuple[list[str], list[str]]:
    """Whom it names, members and further addresses, without those who do without such mails; when
    nobody is left of them and nothing else is told, its owners."""
    recipients = list(budget.recipients.all())
    named = [each.email for each in recipients if each.member is None]
    gone = {each.email for each in opt_outs(budget.workspace_id, named)} if named else set()
    without = {email.lower(): email for email in named if email.lower() not in gone}
    members = [each.member for each in recipients if each.member is not None]
    if not (members or without or budget.webhook_kind):
        return addresses_wanting(budget.workspace, OptionalMail.BUDGET), []
    found = {
        member.user.email.lower(): member.user.email
        for member in members
        if member.user.is_active and OptionalMail.BUDGET not in member.mails_off
    }
    return list(found.values()), [without[key] for key in without if key not in found]


def _notification(event: BudgetEvent, span: BudgetSpan, *, paused: bool) -> Notification:
    budget = event.budget
    currency = budget.workspace.currency
    used = percent(event.used / 100, places=0)
    is_over = event.spend >= event.amount
    if is_over:
        subject = _("{workspace}: the budget “{budget}” is used up")
    else:
        subject = _("{workspace}: {used} of the budget “{budget}” is used")
    left = max(EXACT.subtract(event.amount, event.spend), Decimal(0))
    return Notification(
        subject=subject.format(workspace=budget.workspace.name, budget=budget.name, used=used),
        paragraphs=[_consequence(budget, paused=paused)],
        facts=[
            (_("Counts"), subject_of(budget)),
            (_("Days"), date_range(span.first, span.last)),
            (_("Spent"), f"{money(event.spend, currency)} ({used})"),
            (_("Budget"), money(event.amount, currency)),
            *([] if is_over else [(_("Left"), money(left, currency))]),
        ],
        link_label=_("See the budgets"),
        link_url=page_url("usage:budgets", budget.workspace_id),
    )


def _consequence(budget: Budget, *, paused: bool) -> str:
    if not paused:
        return _("Calls go on. Nothing is stopped by this level.")
    if budget.agent:
        return _(
            "The agent {name} is paused. It comes back by itself when the next period of the"
            " budget begins, or when the budget is raised or removed."
        ).format(name=budget.agent.name)
    return _(
        "All live agents are paused. They come back by themselves when the next period of the"
        " budget begins, or when the budget is raised or removed."
    )


class Message(NamedTuple):
    body: bytes
    headers: Mapping[str, str]


def _for_slack(event: BudgetEvent, now: dt.datetime) -> Message:
    """What Slack's incoming webhooks take, and those of programs that take after it."""
    workspace = event.budget.workspace
    span = span_of(event.budget.period, event.period_start)
    with in_language(workspace.language):
        said = _notification(event, span, paused=_pauses_still(event, span, now))
    facts = [f"{label}: {value}" for label, value in said.facts]
    text = escaped("\n".join([f"*{said.subject}*", *said.paragraphs, *facts]))
    body = {"text": f"{text}\n<{said.link_url}|{escaped(said.link_label)}>"}
    return Message(json.dumps(body).encode(), {"Content-Type": "application/json"})


def escaped(text: str) -> str:
    # https://docs.slack.dev/messaging/formatting-message-text#escaping
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _for_programs(event: BudgetEvent, now: dt.datetime) -> Message:
    """Facts as JSON, signed as Standard Webhooks have it (https://www.standardwebhooks.com)."""
    budget = event.budget
    span = span_of(budget.period, event.period_start)
    facts: dict[str, Any] = {
        "type": "budget.level_reached",
        "timestamp": event.created_at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "id": str(event.pk),
            "workspace_id": str(budget.workspace_id),
            "budget_id": str(budget.pk),
            "name": budget.name,
            "scope": budget.scope,
            "agent_id": str(budget.agent_id) if budget.agent_id else None,
            "resource_type": budget.resource_type or None,
            "period": budget.period,
            "first_day": span.first.isoformat(),
            "last_day": span.last.isoformat(),
            "currency": budget.workspace.currency,
            "amount": without_exponent(event.amount.normalize()),
            "spend": without_exponent(event.spend),
            "percentage": without_exponent(event.percentage.normalize()),
            "agents_paused": _pauses_still(event, span, now),
            "url": page_url("usage:budgets", budget.workspace_id),
        },
    }
    return signed_message(budget, str(event.pk), facts, now)


def signed_message(
    budget: Budget, message_id: str, facts: Mapping[str, Any], now: dt.datetime
) -> Message:
    body = json.dumps(facts).encode()
    stamp = str(int(now.timestamp()))
    return Message(
        body,
        {
            "Content-Type": "application/json",
            "Webhook-Id": message_id,
            "Webhook-Timestamp": stamp,
            "Webhook-Signature": signature(budget.webhook_secret, message_id, stamp, body),
        },
    )


def signature(secret: str, message_id: str, stamp: str, body: bytes) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = f"{message_id}.{stamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()}"


def _pauses_still(event: BudgetEvent, span: BudgetSpan, now: dt.datetime) -> bool:
    state = getattr(event.budget, "state", None)
    ends_at = months.midnight(span.until, event.budget.workspace.zone)
    return state is not None and state.paused_until == ends_at and ends_at > now


# An adapter for each kind of address: what it is sent.
_ADAPTERS: dict[str, Callable[[BudgetEvent, dt.datetime], Message]] = {
    Budget.Webhook.SLACK: _for_slack,
    Budget.Webhook.GENERIC: _for_programs,
}


def deliver(*, event_id: UUID, now: dt.datetime) -> bool:
    """Send a webhook that is due; whether it was delivered now.

    At least once: a worker that is killed between sending and noting it sends it again, under the
    same id.
    """
    try:
        with DELIVERIES.claimed(event_id, now) as claim:
            return _deliver(claim)
    except (Busy, LeaseLost):
        return False


def _deliver(claim: Claim[BudgetDelivery]) -> bool:
    event = claim.row.event
    budget = event.budget
    adapter = _ADAPTERS.get(budget.webhook_kind)
    if adapter is None or budget.workspace.status == Workspace.Status.CLOSED:
        claim.fail("There is no webhook any more.")
        return False
    message = adapter(event, claim.clock())
    try:
        host = check_address(budget.webhook_url).hostname
        with Outage(f"webhook {host}").asking():
            post(budget.webhook_url, message.body, message.headers)
    except UnfitAddress as error:
        claim.fail(f"Not sent: {error.code}.")
    except DeliveryRejected as error:
        claim.fail(str(error))
    except (NotDelivered, Silent) as error:
        if claim.row.attempts >= _MAX_TRIES:
            claim.fail(str(error))
        else:
            claim.retry_later(str(error))
    else:
        claim.done()
        return True
    return False
