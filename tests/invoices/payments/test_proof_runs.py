"""The proof as a command, and as it runs each night."""

import datetime as dt
import io
import json

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.urls import reverse
from pytest_django import Settings

from billing.models import BillingPeriod, Email, Workspace
from invoices.payments.models import Difference, ProofRun, ReconciliationRun
from invoices.payments.services import proof
from invoices.payments.services.pruning import prune_runs
from tests.kit.by_force import changed_by_force
from tests.kit.kept import fresh, made_once
from tests.kit.proved import JANUARY_3, MINUTES, make_proved_month
from tests.kit.staff import superuser_client

pytestmark = pytest.mark.django_db


made = made_once(make_proved_month)


@pytest.fixture
def acme(made: Workspace) -> Workspace:
    return fresh(made)


def check_ledger(*arguments: str) -> str:
    out = io.StringIO()
    call_command("check_ledger", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_reports_each_step(acme):
    assert check_ledger().splitlines()[-1] == "everything agrees"
    report = json.loads(check_ledger("--json"))

    assert report["passed"] is True
    assert [step["name"] for step in report["steps"]] == [step.name for step in proof.STEPS]
    months = {(each["workspace"], each["period"]): each for each in report["periods"]}
    december = months["Acme", "December 2026"]
    assert (december["status"], set(december["steps"].values())) == ("paid", {"pass"})
    assert months["Globex", "January 2027"]["steps"]["items"] == "not_yet"

    with changed_by_force(f"UPDATE usage_usagerollup SET final_cost = 13 {MINUTES}"):
        out = io.StringIO()
        with pytest.raises(CommandError) as failed:
            call_command("check_ledger", "--json", stdout=out)
        with pytest.raises(CommandError, match=r"1 difference$"):
            check_ledger("--step", "counters", "--workspace", str(acme.pk))
    assert failed.value.returncode == 1
    report = json.loads(out.getvalue())
    steps = {step["name"]: step for step in report["steps"]}
    assert (report["passed"], steps["records"]["passed"]) == (False, True)
    assert steps["rollups"]["first_difference"]["workspace_id"] == str(acme.pk)
    december = next(
        each for each in report["periods"] if each["period_id"] == december["period_id"]
    )
    assert december["steps"]["rollups"] == "fail"
    assert december["first_differences"]["counters"].startswith("rollups and counters: 3 records")
    for wrong in (("--workspace", str(acme.pk.int)[:8]), ("--step", "magic")):
        with pytest.raises(CommandError):
            check_ledger(*wrong)
    with pytest.raises(CommandError, match="There is no workspace"):
        check_ledger("--workspace", "11111111-1111-4111-8111-111111111111")


def test_the_last_run_is_kept_and_finance_is_told(acme, settings: Settings):
    settings.FINANCE_EMAILS = ["finance@billing.test"]
    assert proof.prove_and_keep(now=JANUARY_3).passed
    assert not Email.objects.filter(kind="finance").exists()
    client = superuser_client()
    assert "Everything agrees" in client.get(reverse("finance:proof")).content.decode()

    with changed_by_force("UPDATE billing_periodcharge SET amount = amount + 1e-10"):
        run = proof.prove_and_keep(now=JANUARY_3 + dt.timedelta(hours=1))
        page = client.get(reverse("finance:proof")).content.decode()
        told = Email.objects.get(kind="finance")
    assert (run.passed, run.periods) == (False, BillingPeriod.objects.count())
    assert "its own terms make it 49.0000000000" in page
    assert told.subject == "The ledger does not agree: 8 differences"
    assert mail.outbox == []


def test_a_run_that_was_killed_leaves_the_last_result(acme):
    proof.prove_and_keep(now=JANUARY_3)
    ProofRun.objects.create(started_at=JANUARY_3 + dt.timedelta(hours=1))

    page = superuser_client().get(reverse("finance:proof")).content.decode()

    assert "Everything agrees" in page
    assert "is not finished" in page


def test_runs_of_long_ago_are_forgotten_but_never_the_last(acme):
    run = proof.prove_and_keep(now=JANUARY_3)
    compared = ReconciliationRun.objects.create(started_at=JANUARY_3, days=1)
    old = ReconciliationRun.objects.create(started_at=JANUARY_3 - dt.timedelta(days=1), days=1)
    Difference.objects.create(run=old, kind="status")
    ProofRun.objects.create(started_at=JANUARY_3 - dt.timedelta(days=1))

    assert prune_runs(now=JANUARY_3 + dt.timedelta(days=399)) == 0
    assert prune_runs(now=JANUARY_3 + dt.timedelta(days=401)) == 3

    assert [each.pk for each in ProofRun.objects.all()] == [run.pk]
    assert [each.pk for each in ReconciliationRun.objects.all()] == [compared.pk]
    assert not Difference.objects.exists()
