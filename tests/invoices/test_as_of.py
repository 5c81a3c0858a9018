"""Commands that work as of another time: which times they take, and when they ask."""

import io
import sys

import pytest
import time_machine
from django.core.management import CommandError, call_command

from billing.models import BillingPeriod
from tests.kit.personas import NOW, make_period, make_workspace

pytestmark = pytest.mark.django_db
COMMANDS = ("finalize_due_periods", "collect_invoices")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        ("9999-12-31T23:59:59Z", "is more than 400 days ahead"),
        ("2126-01-01T00:00:00Z", "is more than 400 days ahead"),
        ("0001-06-01T00:00:00Z", "is before the year 2000"),
        ("1999-12-31T23:59:59Z", "is before the year 2000"),
        ("2026-11-30T00:00:00", "--now"),
        ("tomorrow", "--now"),
    ],
)
def test_a_time_out_of_bounds_is_refused_and_nothing_done(command, asked, reason):
    make_period(make_workspace())

    with pytest.raises(CommandError, match=reason):
        call_command(command, f"--now={asked}")

    assert BillingPeriod.objects.get().status == "current"


@pytest.mark.parametrize(
    ("answer", "status"), [("n", "current"), ("", "current"), ("y", "finalized")]
)
def test_at_a_terminal_the_future_is_asked_about(monkeypatch, answer, status):
    make_period(make_workspace())
    monkeypatch.setattr(sys, "stdin", Terminal(f"{answer}\n"))

    with time_machine.travel(NOW, tick=False):
        if answer == "y":
            call_command("finalize_due_periods", "--now=2027-02-02T00:00:00Z")
        else:
            with pytest.raises(CommandError, match="nothing was done"):
                call_command("finalize_due_periods", "--now=2027-02-02T00:00:00Z")

    assert BillingPeriod.objects.order_by("period_start")[0].status == status


def test_a_script_that_names_a_future_time_is_not_asked(monkeypatch):
    make_period(make_workspace())
    monkeypatch.setattr(sys, "stdin", io.StringIO())

    with time_machine.travel(NOW, tick=False):
        call_command("finalize_due_periods", "--now=2026-12-02T00:00:00Z")

    assert BillingPeriod.objects.order_by("period_start")[0].status == "finalized"
