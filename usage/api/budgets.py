"""API views of a workspace's budgets."""

import datetime as dt
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.utils import timezone as clock
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible_or_404
from billing.api.fields import (
    AwareDateTimeField,
    EmailTextField,
    ExactDecimalField,
    FlagField,
    IdField,
    PlainTextField,
)
from billing.api.serializers import StrictSerializer
from billing.api.views import ApiView
from billing.errors import Invalid, NotFound
from billing.models import Workspace
from usage.models import Budget
from usage.queries.budgets import (
    BudgetStanding,
    budgets_with_parts,
    host_of,
    reached_at,
    standings_now,
)
from usage.services import budgets
from usage.services.budget_facts import MAX_LEVELS, MAX_RECIPIENTS, Level

_READ = ("workspaces:write", "terms:write", "billing:read")
_WRITE = "terms:write"


class BudgetLevelSerializer(StrictSerializer):
    percentage = ExactDecimalField(
        integer_digits=3, decimals=4, shown=0, help_text="Of the amount: more than 0, at most 999."
    )
    notify = FlagField(default=True, source="notifies", help_text="Tell the recipients.")
    pause = FlagField(
        default=False,
        source="pauses",
        help_text="Pause the agent, or all live agents for other scopes, until the budget's period"
        " ends.",
    )


class BudgetWebhookSerializer(StrictSerializer):
    kind = serializers.ChoiceField(choices=["slack", "generic"])
    url = PlainTextField(
        required=False,
        max_length=500,
        write_only=True,
        help_text="https:// only. Not shown again; left out, the one that is kept stays.",
    )


class BudgetFactsSerializer(StrictSerializer):
    name = PlainTextField(max_length=100)
    scope = serializers.ChoiceField(
        choices=Budget.Scope.choices, help_text="What it counts: all usage, an agent's, or a type's"
    )
    agent_id = IdField(required=False, allow_null=True, help_text="For the scope `agent`.")
    resource_type = PlainTextField(
        required=False, allow_null=True, max_length=64, help_text="For the scope `resource_type`."
    )
    period = serializers.ChoiceField(
        choices=Budget.Period.choices,
        help_text="On the workspace's calendar; a week begins on Monday.",
    )
    amount = ExactDecimalField(
        integer_digits=14, decimals=4, shown=2, help_text="More than 0, in its currency."
    )
    levels = BudgetLevelSerializer(many=True, help_text=f"One to {MAX_LEVELS}.")
    member_ids = serializers.ListField(
        child=IdField(),
        required=False,
        max_length=MAX_RECIPIENTS,
        help_text="Members that get the mails. Default: the owners.",
    )
    emails = serializers.ListField(
        child=EmailTextField(),
        required=False,
        max_length=MAX_RECIPIENTS,
        help_text="Further addresses that get the mails.",
    )
    webhook = BudgetWebhookSerializer(required=False, allow_null=True)
    new_secret = FlagField(
        required=False,
        write_only=True,
        help_text="true: generic webhooks are signed with another secret from now on.",
    )


class ReachedLevelSerializer(serializers.Serializer):
    percentage = ExactDecimalField(decimals=4, shown=0)
    reached_at = AwareDateTimeField(allow_null=True)


class BudgetWebhookStateSerializer(serializers.Serializer):
    host = serializers.CharField()
    delivered_at = AwareDateTimeField(allow_null=True)
    last_error = serializers.CharField()


class BudgetStateSerializer(serializers.Serializer):
    """Its present period. `spend` is of now; levels are compared once a minute."""

    first_day = serializers.DateField()
    last_day = serializers.DateField()
    spend = ExactDecimalField(decimals=10)
    left = ExactDecimalField(decimals=10)
    used_percentage = ExactDecimalField(decimals=0)
    reached = ReachedLevelSerializer(many=True)
    agents_paused = serializers.BooleanField()
    webhook = BudgetWebhookStateSerializer(allow_null=True)


class BudgetSerializer(BudgetFactsSerializer):
    id = serializers.UUIDField(read_only=True)
    workspace_id = serializers.UUIDField(read_only=True)
    currency = serializers.CharField(read_only=True)
    state = BudgetStateSerializer(read_only=True)
    created_at = AwareDateTimeField(read_only=True)
    webhook_secret = serializers.CharField(
        read_only=True,
        required=False,
        help_text="In the answer that makes it only: what generic webhooks are signed with.",
    )


class BudgetsSerializer(serializers.Serializer):
    results = BudgetSerializer(many=True)


class BudgetView(ApiView):
    required_scopes = {"GET": _READ, "POST": _WRITE, "PATCH": _WRITE, "DELETE": _WRITE}
    serializer_class = BudgetSerializer

    def workspace(self, workspace_id: UUID) -> Workspace:
        return visible_or_404(
            Workspace.objects.all(), self.request, workspace="pk", pk=workspace_id
        )

    def found(self, workspace_id: UUID, budget_id: UUID) -> Budget:
        self.workspace(workspace_id)
        budget = budgets_with_parts().filter(workspace=workspace_id, pk=budget_id).first()
        if budget is None:
            raise NotFound("There is no such budget.")
        return budget

    def facts(self, *, partial: bool = False) -> dict[str, Any]:
        """What the body says, as the service takes it."""
        facts = self.read(BudgetFactsSerializer, partial=partial)
        # What is there only in part is replaced whole all the same.
        for place, level in enumerate(facts.get("levels", ())):
            _require(level, "percentage", f"levels/{place}")
        if facts.get("webhook") is not None:
            _require(facts["webhook"], "kind", "webhook")
        if "levels" in facts:
            facts["levels"] = [Level(**level) for level in facts["levels"]]
        return facts


class BudgetList(BudgetView):
    """A workspace's budgets, by name, with what is spent of each."""

    @extend_schema(operation_id="workspaces_budgets_list", responses=BudgetsSerializer)
    def get(self, request: Request, workspace_id: UUID) -> Response:
        rows = list(budgets_with_parts().filter(workspace=self.workspace(workspace_id)))
        return Response({"results": shown(rows, now=clock.now())})

    @extend_schema(
        request=BudgetFactsSerializer,
        responses={201: BudgetSerializer},
        examples=[
            OpenApiExample(
                "100 a week for synthesis, agents paused at the end of it",
                value={
                    "name": "Voices",
                    "scope": "resource_type",
                    "resource_type": "synthesis",
                    "period": "week",
                    "amount": "100.00",
                    "levels": [
                        {"percentage": "80"},
                        {"percentage": "100", "notify": True, "pause": True},
                    ],
                    "emails": ["budgets@acme.test"],
                    "webhook": {"kind": "generic", "url": "https://hooks.example.com/budgets"},
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        """Makes a budget. What is spent already counts: a level that is reached takes effect at
        once."""
        workspace = self.workspace(workspace_id)
        now = clock.now()
        saved = budgets.create_budget(workspace_id=workspace.pk, facts=self.facts(), now=now)
        location = request.build_absolute_uri(f"{request.path}{saved.budget.pk}/")
        return Response(_answer(saved, now), status=201, headers={"Location": location})


class BudgetDetail(BudgetView):
    """One budget."""

    def get(self, request: Request, workspace_id: UUID, budget_id: UUID) -> Response:
        return Response(shown([self.found(workspace_id, budget_id)], now=clock.now())[0])

    @extend_schema(request=BudgetFactsSerializer)
    def patch(self, request: Request, workspace_id: UUID, budget_id: UUID) -> Response:
        """Changes what is named; `levels`, `member_ids` and `emails` whole. Raised above what is
        spent, it brings back the agents that it paused."""
        self.found(workspace_id, budget_id)
        now = clock.now()
        changes = self.facts(partial=True)
        saved = budgets.update_budget(
            workspace_id=workspace_id, budget_id=budget_id, changes=changes, now=now
        )
        return Response(_answer(saved, now))

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace_id: UUID, budget_id: UUID) -> Response:
        """Removes a budget and its history; agents that it paused come back."""
        self.found(workspace_id, budget_id)
        budgets.remove_budget(workspace_id=workspace_id, budget_id=budget_id, now=clock.now())
        return Response(status=204)


def _require(facts: dict[str, Any], name: str, where: str) -> None:
    if name not in facts:
        raise Invalid("This field is required.", field=f"{where}/{name}", code="required")


def _answer(saved: budgets.SavedBudget, now: dt.datetime) -> dict[str, Any]:
    secret = {"webhook_secret": saved.secret} if saved.secret else {}
    return {**shown([saved.budget], now=now)[0], **secret}


def shown(rows: Sequence[Budget], *, now: dt.datetime) -> list[dict[str, Any]]:
    found = standings_now(rows, now=now)
    events = reached_at(found)
    deliveries = budgets.last_deliveries(rows)
    return [
        _as_json(
            each,
            [
                {
                    "percentage": level.percentage,
                    "reached_at": event.created_at
                    if (event := events.get(each.key(level.percentage)))
                    else None,
                }
                for level in each.reached
            ],
            deliveries.get(each.budget.pk),
            now,
        )
        for each in found
    ]


def _as_json(
    standing: BudgetStanding,
    reached: list[dict[str, Any]],
    delivery: Any,
    now: dt.datetime,
) -> dict[str, Any]:
    budget = standing.budget
    webhook = None
    if budget.webhook_kind:
        webhook = {
            "host": host_of(budget),
            "delivered_at": delivery.finished_at
            if delivery and delivery.status == "done"
            else None,
            "last_error": delivery.last_error if delivery else "",
        }
    return dict(
        BudgetSerializer(
            {
                "id": budget.pk,
                "workspace_id": budget.workspace_id,
                "name": budget.name,
                "scope": budget.scope,
                "agent_id": budget.agent_id,
                "resource_type": budget.resource_type or None,
                "period": budget.period,
                "amount": budget.amount,
                "currency": budget.workspace.currency,
                "levels": budget.levels.all(),
                "member_ids": [each.member_id for each in budget.recipients.all() if each.member],
                "emails": [each.email for each in budget.recipients.all() if each.email],
                "webhook": {"kind": budget.webhook_kind} if budget.webhook_kind else None,
                "created_at": budget.created_at,
                "state": {
                    "first_day": standing.span.first,
                    "last_day": standing.span.last,
                    "spend": standing.spend,
                    "left": standing.left,
                    "used_percentage": standing.used,
                    "reached": reached,
                    "agents_paused": standing.is_pausing(now),
                    "webhook": webhook,
                },
            }
        ).data
    )
