"""The form of a budget. It checks what was typed; the service decides what it means."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from billing.decimals import NotExact, exact_decimal
from billing.errors import BillingError
from billing.models import Workspace, WorkspaceMember
from billing.text import UnfitText, email_address, validate_line
from usage.models import Budget, UsageRollup, VoiceAgent
from usage.queries.budgets import host_of
from usage.resources import LABELS, resource
from usage.services.budget_facts import MAX_LEVELS, Level

_WHOLE = "workspace"
_ACTIONS = (
    ("notify", _lazy("Notify")),
    ("pause", _lazy("Pause")),
    ("both", _lazy("Notify and pause")),
)
# Of a new budget.
_FIRST_LEVELS = (("50", "notify"), ("80", "notify"), ("100", "notify"))


class BudgetForm(forms.Form):
    """`levels` are its rows of a percentage and what happens then; those left empty do not count.

    A webhook's address is not shown again: left empty, the one that is kept stays.
    """

    name = forms.CharField(
        label=_lazy("Name"),
        max_length=100,
        validators=[validate_line],
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    counts = forms.ChoiceField(label=_lazy("What counts"))
    period = forms.ChoiceField(
        label=_lazy("Per"),
        choices=[
            (Budget.Period.DAY, _lazy("Day")),
            (Budget.Period.WEEK, _lazy("Week, from Monday on")),
            (Budget.Period.MONTH, _lazy("Calendar month")),
        ],
        initial=Budget.Period.MONTH,
    )
    amount = forms.CharField(
        max_length=30, widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
    )
    members = forms.MultipleChoiceField(
        label=_lazy("People of this workspace"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
    )
    emails = forms.CharField(
        label=_lazy("Further e-mail addresses"),
        required=False,
        max_length=6000,
        help_text=_lazy("One a line."),
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off", "spellcheck": "false"}),
    )
    webhook_kind = forms.ChoiceField(
        label=_lazy("Webhook"),
        required=False,
        choices=[
            ("", _lazy("None")),
            (Budget.Webhook.SLACK, _lazy("Slack, or what takes its messages")),
            (Budget.Webhook.GENERIC, _lazy("A program of yours (JSON, signed)")),
        ],
    )
    webhook_url = forms.CharField(
        label=_lazy("Its address"),
        required=False,
        max_length=500,
        widget=forms.TextInput(
            attrs={"inputmode": "url", "autocomplete": "off", "placeholder": "https://"}
        ),
    )
    new_secret = forms.BooleanField(label=_lazy("Sign with a new secret"), required=False)

    def __init__(
        self, *args: Any, workspace: Workspace, budget: Budget | None = None, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.workspace = workspace
        self.budget = budget
        self._agents = {
            str(pk): name
            for pk, name in VoiceAgent.objects.filter(workspace=workspace).values_list("pk", "name")
        }
        self._choose()
        self.fields["amount"].label = _("Amount ({currency})").format(currency=workspace.currency)
        for place in range(MAX_LEVELS):
            self._add_level(place)
        if budget is None:
            del self.fields["new_secret"]
            self._fill_levels(_FIRST_LEVELS)
            self.initial["members"] = [
                str(each.pk) for each in self._people if each.role == WorkspaceMember.Role.OWNER
            ]
        else:
            self._fill(budget)

    def _choose(self) -> None:
        counts: Any = self.fields["counts"]
        counts.choices = [
            (_WHOLE, _("Whole workspace")),
            (
                _("Resource type"),
                [(f"type:{name}", resource(name).label) for name in self._resource_types()],
            ),
            *(
                [(_("Agent"), [(f"agent:{pk}", name) for pk, name in self._agents.items()])]
                if self._agents
                else []
            ),
        ]
        self._people = list(
            self.workspace.memberships.filter(user__is_active=True)
            .select_related("user")
            .order_by("user__email")
        )
        members: Any = self.fields["members"]
        members.choices = [
            (
                str(each.pk),
                f"{each.user.name} ({each.user.email})" if each.user.name else each.user.email,
            )
            for each in self._people
        ]

    def _resource_types(self) -> list[str]:
        used = UsageRollup.objects.filter(workspace=self.workspace).order_by("resource_type")
        others = {*used.values_list("resource_type", flat=True).distinct()} - LABELS.keys()
        if self.budget and self.budget.resource_type not in LABELS:
            others |= {self.budget.resource_type} - {""}
        return [*LABELS, *sorted(others)]

    def _add_level(self, place: int) -> None:
        row = place + 1
        self.fields[f"percentage_{place}"] = forms.CharField(
            label=_("Level {row}: percent of the amount").format(row=row),
            required=False,
            max_length=12,
            widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
        )
        self.fields[f"action_{place}"] = forms.ChoiceField(
            label=_("Level {row}: what happens").format(row=row),
            choices=_ACTIONS,
            required=False,
        )

    @property
    def levels(self) -> list[tuple[forms.BoundField, forms.BoundField]]:
        return [
            (self[f"percentage_{place}"], self[f"action_{place}"]) for place in range(MAX_LEVELS)
        ]

    def _fill_levels(self, levels: Sequence[tuple[str, str]]) -> None:
        for place, (percentage, action) in enumerate(levels):
            self.initial[f"percentage_{place}"] = percentage
            self.initial[f"action_{place}"] = action

    def _fill(self, budget: Budget) -> None:
        counts = _WHOLE
        if budget.agent_id:
            counts = f"agent:{budget.agent_id}"
        elif budget.resource_type:
            counts = f"type:{budget.resource_type}"
        known: dict[str, Any] = {
            "name": budget.name,
            "counts": counts,
            "period": budget.period,
            "amount": f"{budget.amount.normalize():f}",
            "members": [str(each.member_id) for each in budget.recipients.all() if each.member_id],
            "emails": "\n".join(each.email for each in budget.recipients.all() if each.email),
            "webhook_kind": budget.webhook_kind,
        }
        self.initial.update(known)
        self._fill_levels(
            [
                (
                    f"{level.percentage.normalize():f}",
                    "both"
                    if level.notifies and level.pauses
                    else "pause"
                    if level.pauses
                    else "notify",
                )
                for level in budget.levels.all()
            ]
        )
        if budget.webhook_url:
            self.fields["webhook_url"].help_text = _(
                "Now one at {host}. Empty: it stays as it is."
            ).format(host=host_of(budget))
        if budget.webhook_kind != Budget.Webhook.GENERIC:
            del self.fields["new_secret"]

    def clean(self) -> dict[str, Any]:
        """All that is no number or address, and not one after the other."""
        chosen: dict[str, Any] = super().clean() or {}
        numbers = {"amount": 14, **{f"percentage_{place}": 3 for place in range(MAX_LEVELS)}}
        for name, digits in numbers.items():
            if text := chosen.get(name, "").strip():
                try:
                    exact_decimal(text, integer_digits=digits, decimals=4)
                except NotExact as error:
                    self.add_error(name, error.detail)
        if "emails" in chosen:
            for line in self._lines():
                try:
                    email_address(line)
                except UnfitText as error:
                    self.add_error("emails", f"{line}: {error}")
                    break
        return chosen

    @property
    def facts(self) -> dict[str, Any]:
        """What the service takes."""
        chosen = self.cleaned_data
        scope, _colon, which = chosen["counts"].partition(":")
        facts: dict[str, Any] = {
            "name": chosen["name"],
            "scope": {"type": Budget.Scope.RESOURCE_TYPE, "agent": Budget.Scope.AGENT}.get(
                scope, Budget.Scope.WORKSPACE
            ),
            "agent_id": UUID(which) if scope == "agent" else None,
            "resource_type": which if scope == "type" else None,
            "period": chosen["period"],
            "amount": chosen["amount"].strip(),
            "levels": [
                Level(
                    chosen[f"percentage_{place}"].strip(),
                    notifies=chosen[f"action_{place}"] != "pause",
                    pauses=chosen[f"action_{place}"] in ("pause", "both"),
                )
                for place in self._given()
            ],
            "member_ids": [UUID(each) for each in chosen["members"]],
            "emails": self._lines(),
            "webhook": None,
            "new_secret": chosen.get("new_secret", False),
        }
        if chosen["webhook_kind"]:
            facts["webhook"] = {
                "kind": chosen["webhook_kind"],
                "url": chosen["webhook_url"].strip() or None,
            }
        return facts

    def _given(self) -> list[int]:
        """The rows of levels that say something."""
        rows = range(MAX_LEVELS)
        return [row for row in rows if self.cleaned_data[f"percentage_{row}"].strip()]

    def _lines(self) -> list[str]:
        lines = self.cleaned_data["emails"].replace(",", "\n").splitlines()
        return [line.strip() for line in lines if line.strip()]

    def add_refusal(self, refusal: BillingError) -> None:
        """Show what the service refused at the field that it is about."""
        first, _slash, rest = (refusal.field or "").partition("/")
        place = rest.partition("/")[0]
        field: str | None = {
            "scope": "counts",
            "agent_id": "counts",
            "resource_type": "counts",
            "member_ids": "members",
            "webhook": f"webhook_{rest}",
        }.get(first, first)
        if first == "levels":
            field = f"percentage_{self._given()[int(place)]}" if place else "percentage_0"
        detail = refusal.detail
        if first == "emails" and place:
            detail = f"{self._lines()[int(place)]}: {detail}"
        self.add_error(field if field in self.fields else None, detail)
