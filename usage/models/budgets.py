"""Budgets: an amount for a day, week or month of a workspace, an agent or a resource type.

What happens at each of a budget's levels is told once for each of its periods (`BudgetEvent`).
"""

import uuid
from decimal import Decimal
from typing import Any, ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone as clock

from billing.models import DurableWork, Workspace, WorkspaceMember
from billing.models.fields import EmailAddressField, LineField
from billing.models.tiers import MONEY_SUM
from billing.money import EXACT
from usage.models.agents import VoiceAgent

AMOUNT: dict[str, Any] = {"max_digits": 18, "decimal_places": 4}
PERCENTAGE: dict[str, Any] = {"max_digits": 7, "decimal_places": 4}


class Budget(models.Model):
    class Scope(models.TextChoices):
        WORKSPACE = "workspace"
        AGENT = "agent"
        RESOURCE_TYPE = "resource_type", "Resource type"

    class Period(models.TextChoices):
        """On the workspace's calendar; a week begins on Monday."""

        DAY = "day"
        WEEK = "week"
        MONTH = "month"

    class Webhook(models.TextChoices):
        NONE = "", "No"
        SLACK = "slack", "Slack"
        GENERIC = "generic", "A program of yours"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="budgets")
    name = LineField(max_length=100)
    scope = models.CharField(max_length=16, choices=Scope)
    agent = models.ForeignKey(
        VoiceAgent, on_delete=models.CASCADE, null=True, blank=True, related_name="budgets"
    )
    resource_type = models.CharField(max_length=64, blank=True)
    period = models.CharField(max_length=8, choices=Period)
    amount = models.DecimalField(**AMOUNT, help_text="In the workspace's currency.")
    webhook_kind = models.CharField(max_length=8, choices=Webhook, blank=True)
    webhook_url = models.CharField(max_length=500, blank=True)
    # What deliveries are signed with: shown when it is made and never again.
    webhook_secret = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(default=clock.now, editable=False)
    # Usage of a period that ended before is not compared with it.
    changed_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["name", "id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "name"], name="one_budget_of_a_name_per_workspace"
            ),
            models.CheckConstraint(condition=Q(amount__gt=0), name="budget_is_more_than_nothing"),
            models.CheckConstraint(
                condition=Q(scope="workspace", agent__isnull=True, resource_type="")
                | Q(scope="agent", agent__isnull=False, resource_type="")
                | (Q(scope="resource_type", agent__isnull=True) & ~Q(resource_type="")),
                name="budget_counts_what_its_scope_says",
            ),
            models.CheckConstraint(
                condition=Q(period__in=["day", "week", "month"]), name="budget_period_is_known"
            ),
            models.CheckConstraint(
                condition=Q(webhook_kind="", webhook_url="", webhook_secret="")
                | (Q(webhook_kind="slack", webhook_secret="") & ~Q(webhook_url=""))
                | (Q(webhook_kind="generic") & ~Q(webhook_url="") & ~Q(webhook_secret="")),
                name="budget_webhook_is_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BudgetLevel(models.Model):
    """What happens when so much of the budget is spent."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="levels")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    percentage = models.DecimalField(**PERCENTAGE, help_text="Of the budget's amount.")
    notifies = models.BooleanField(default=True)
    pauses = models.BooleanField(default=False)

    class Meta:
        ordering = ["percentage"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["budget", "percentage"], name="one_level_per_budget_and_percentage"
            ),
            models.CheckConstraint(
                condition=Q(percentage__gt=0), name="budget_level_is_more_than_nothing"
            ),
            models.CheckConstraint(
                condition=Q(notifies=True) | Q(pauses=True), name="budget_level_does_something"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.percentage.normalize():f}%"


class BudgetRecipient(models.Model):
    """Who is told by mail: somebody of the workspace, or an address."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="recipients")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    member = models.ForeignKey(
        WorkspaceMember, on_delete=models.CASCADE, null=True, blank=True, related_name="+"
    )
    email = EmailAddressField(blank=True)

    class Meta:
        ordering = ["id"]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(member__isnull=False, email="")
                | (Q(member__isnull=True) & ~Q(email="")),
                name="budget_recipient_is_a_member_or_an_address",
            ),
            models.UniqueConstraint(
                fields=["budget", "member"],
                condition=Q(member__isnull=False),
                name="budget_tells_a_member_once",
            ),
            models.UniqueConstraint(
                fields=["budget", "email"],
                condition=~Q(email=""),
                name="budget_tells_an_address_once",
            ),
        ]

    def __str__(self) -> str:
        return self.email or str(self.member)


class BudgetOptOut(models.Model):
    """An address without an account that wants no mails of a workspace's budgets.

    It holds for the workspace: who is named for another budget, or anew, is not written to either.
    """

    workspace = models.ForeignKey(
        Workspace, on_delete=models.CASCADE, related_name="budget_opt_outs"
    )
    email = EmailAddressField(help_text="In lower case.")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        ordering = ["email"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["workspace", "email"], name="an_address_opts_out_of_budgets_once"
            ),
            models.CheckConstraint(
                condition=Q(email=Lower("email")), name="budget_opt_out_is_in_lower_case"
            ),
        ]

    def __str__(self) -> str:
        return self.email


class BudgetState(models.Model):
    """What the last comparison found: rewritten by the task, not worth an entry in the log."""

    budget = models.OneToOneField(
        Budget, on_delete=models.CASCADE, primary_key=True, related_name="state"
    )
    # The counters of the workspace's usage as they stood before; unchanged, nothing is compared.
    seen = models.CharField(max_length=200)
    period_start = models.DateField()
    checked_at = models.DateTimeField()
    # Until then the agents that it counts are paused: the end of the budget's period.
    paused_until = models.DateTimeField(null=True, db_index=True)

    def __str__(self) -> str:
        return f"State of {self.budget_id}"


class BudgetEvent(models.Model):
    """A level that was reached: once for each period, amount and level, whatever runs twice."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="events")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    period_start = models.DateField()
    amount = models.DecimalField(**AMOUNT)
    percentage = models.DecimalField(**PERCENTAGE)
    spend = models.DecimalField(**MONEY_SUM)
    notifies = models.BooleanField()
    pauses = models.BooleanField()
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name = "budget level reached"
        verbose_name_plural = "budget levels reached"
        ordering = ["-created_at", "-percentage"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                # A budget that is raised has levels of its own: it tells again.
                fields=["budget", "period_start", "amount", "percentage"],
                name="one_event_per_budget_period_and_level",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.budget}: {self.percentage.normalize():f}%"

    @property
    def used(self) -> Decimal:
        """How much of the budget was spent, in percent, rounded down: 99.6 % is not all of it."""
        return EXACT.divide_int(EXACT.multiply(self.spend, Decimal(100)), self.amount)


class BudgetDelivery(DurableWork):
    """A webhook that tells of an event."""

    event = models.OneToOneField(
        BudgetEvent, on_delete=models.CASCADE, primary_key=True, related_name="delivery"
    )

    class Meta(DurableWork.Meta):
        verbose_name = "budget webhook"
        ordering = ["-requested_at"]

    def __str__(self) -> str:
        return f"Webhook of {self.event_id}"

    def about(self) -> tuple[str, models.Model | None, Workspace | None]:
        budget = self.event.budget
        return f"Webhook of budget “{budget.name}”", budget, budget.workspace

    @classmethod
    def with_subjects(cls) -> models.QuerySet[Any]:
        return cls.objects.select_related("event__budget__workspace", "event__budget__agent")


class BudgetTest(models.Model):
    """A webhook that somebody sent to see whether it arrives; written before it is sent."""

    budget = models.ForeignKey(Budget, on_delete=models.CASCADE, related_name="tests")
    workspace = models.ForeignKey(Workspace, on_delete=models.CASCADE, related_name="+")
    host = models.CharField(max_length=300)
    asked_by = models.CharField(max_length=254)
    asked_at = models.DateTimeField(default=clock.now, editable=False)
    # Null until there is an answer; it stays so where the process was killed before.
    is_delivered = models.BooleanField(null=True)
    error = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["-asked_at", "-id"]
        indexes: ClassVar = [
            models.Index(fields=["workspace", "asked_at"], name="budget_tests_by_time")
        ]
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(is_delivered=False) | Q(error=""),
                name="budget_test_that_arrived_has_no_error",
            ),
        ]

    def __str__(self) -> str:
        return f"Test of {self.budget}"
