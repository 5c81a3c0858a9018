"""A webhook sent on purpose: whether a budget's address takes what it would be sent.

It is written down before it is sent, and a workspace may send a few in a while only: this site is
not for knocking at others with.
"""

import datetime as dt
import json
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext as _

from billing.errors import Conflict, NotFound
from billing.languages import in_language
from billing.links import page_url
from billing.models import Workspace
from billing.outage import Outage, Silent
from billing.webhooks import DeliveryRejected, NotDelivered, UnfitAddress, check_address, post
from usage.models import Budget, BudgetTest
from usage.queries.budgets import host_of
from usage.services.budget_notifications import Message, escaped, signed_message

MAX_TESTS = 5
_WHILE = dt.timedelta(minutes=10)
_KEPT = dt.timedelta(days=90)


class TooManyTests(Conflict):
    code = "too_many_tests"


class NothingToTest(Conflict):
    code = "nothing_to_test"


def send_test(
    *, workspace_id: UUID, budget_id: UUID, asked_by: str, now: dt.datetime
) -> BudgetTest:
    """Send it now and say how it went. Raises `NotFound`, `NothingToTest` and `TooManyTests`."""
    with transaction.atomic():
        # One after the other: two clicks at once are counted as two.
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        budget = (
            Budget.objects.select_related("workspace")
            .filter(pk=budget_id, workspace=workspace_id)
            .first()
        )
        if budget is None:
            raise NotFound("There is no such budget.")
        if not budget.webhook_kind:
            raise NothingToTest(_("It has no webhook."))
        tests = BudgetTest.objects.filter(workspace=workspace_id)
        if tests.filter(asked_at__gt=now - _WHILE).count() >= MAX_TESTS:
            raise TooManyTests(
                _("At most {most} tests in {minutes} minutes. Try again a little later.").format(
                    most=MAX_TESTS, minutes=_WHILE.seconds // 60
                )
            )
        tests.filter(asked_at__lt=now - _KEPT).delete()
        test = BudgetTest.objects.create(
            budget=budget,
            workspace_id=workspace_id,
            host=host_of(budget),
            asked_by=asked_by,
            asked_at=now,
        )
    test.error = _sent(budget, test, now)
    test.is_delivered = not test.error
    test.save(update_fields=["is_delivered", "error"])
    return test


def last_tests(budgets: Sequence[Budget]) -> dict[UUID, BudgetTest]:
    """Of each budget with a webhook the latest one. One query."""
    asked = [budget.pk for budget in budgets if budget.webhook_kind]
    if not asked:
        return {}
    rows = BudgetTest.objects.filter(budget__in=asked)
    return {
        test.budget_id: test
        for test in rows.order_by("budget_id", "-asked_at", "-id").distinct("budget_id")
    }


def _sent(budget: Budget, test: BudgetTest, now: dt.datetime) -> str:
    """What went wrong, if anything did."""
    message = _for_slack(budget) if budget.webhook_kind == Budget.Webhook.SLACK else None
    message = message or _for_programs(budget, test, now)
    try:
        host = check_address(budget.webhook_url).hostname
        with Outage(f"webhook {host}").asking():
            post(budget.webhook_url, message.body, message.headers)
    except UnfitAddress as error:
        return f"Not sent: {error.code}."
    except (DeliveryRejected, NotDelivered, Silent) as error:
        return str(error)[:300]
    return ""


def _for_slack(budget: Budget) -> Message:
    workspace = budget.workspace
    with in_language(workspace.language):
        said = _(
            "A test of the budget “{budget}” of {workspace}: levels that it reaches are told here."
        ).format(budget=budget.name, workspace=workspace.name)
        label = _("See the budgets")
    url = page_url("usage:budgets", workspace.pk)
    body = {"text": f"{escaped(said)}\n<{url}|{escaped(label)}>"}
    return Message(json.dumps(body).encode(), {"Content-Type": "application/json"})


def _for_programs(budget: Budget, test: BudgetTest, now: dt.datetime) -> Message:
    """As a level that is reached, but for its type and what would have been reached."""
    facts = {
        "type": "budget.test",
        "timestamp": now.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            "workspace_id": str(budget.workspace_id),
            "budget_id": str(budget.pk),
            "name": budget.name,
            "url": page_url("usage:budgets", budget.workspace_id),
        },
    }
    return signed_message(budget, f"test-{test.pk}", facts, now)
