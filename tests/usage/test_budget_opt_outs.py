"""Mails of budgets to addresses without an account: one click ends them, and owners see it."""

import re
from decimal import Decimal

import pytest
from django.core import mail
from django.test import Client

from billing.models import Email
from billing.services.emails import deliver
from tests.kit.personas import NOW, make_workspace, member_client
from tests.kit.usage import make_usage
from usage.models import BudgetOptOut
from usage.services.budget_facts import Level
from usage.services.budgets import create_budget

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme():
    workspace = make_workspace("Acme")
    make_usage(workspace, NOW, "10", "1")  # 12.00
    return workspace


def reached(workspace, name: str, **facts):
    """A budget that is used up as it is made."""
    facts = {
        "name": name,
        "scope": "workspace",
        "period": "month",
        "amount": "10",
        "levels": [Level(Decimal(100))],
        **facts,
    }
    return create_budget(workspace_id=workspace.pk, facts=facts, now=NOW).budget


def recipients() -> list[list[str]]:
    return sorted(email.recipients for email in Email.objects.filter(kind="budget"))


def test_one_click_of_a_mail_program_ends_them_for_the_workspace(acme):
    owner = acme.memberships.get()
    reached(acme, "All", member_ids=[owner.pk], emails=["Cfo@Acme.test", "ops@acme.test"])
    assert recipients() == [["Cfo@acme.test"], ["ops@acme.test"], [owner.user.email]]

    queued = Email.objects.get(recipients=["Cfo@acme.test"])
    assert deliver(email_id=queued.pk, now=NOW)
    (sent,) = mail.outbox
    url = re.fullmatch("<(.+)>", sent.extra_headers["List-Unsubscribe"])[1]
    assert sent.extra_headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert url in sent.body
    assert url in sent.alternatives[0].content
    assert Email.objects.get(recipients=[owner.user.email]).unsubscribe_url == ""

    path = url[url.index("/unsubscribe/") :]
    program = Client(enforce_csrf_checks=True)
    assert "No more mails of budgets?" in program.get(path).content.decode()
    assert not BudgetOptOut.objects.exists(), "opening it changes nothing"
    for _ in range(2):
        answer = program.post(path, {"List-Unsubscribe": "One-Click"})
        assert (answer.status_code, BudgetOptOut.objects.get().email) == (200, "cfo@acme.test")

    reached(acme, "More", emails=["cfo@acme.test", "ops@acme.test"])
    assert recipients().count(["ops@acme.test"]) == 2
    assert recipients().count(["cfo@acme.test"]) == 0
    assert "cfo@acme.test" in member_client(acme).get(f"/w/{acme.pk}/budgets/").content.decode()
    # Another workspace that names the address is another matter.
    globex = make_workspace("Globex")
    make_usage(globex, NOW, "10", "1")
    reached(globex, "Theirs", emails=["cfo@acme.test"])
    assert ["cfo@acme.test"] in recipients()

    program.post(path, {"again": "1"})
    assert not BudgetOptOut.objects.exists()


def test_where_all_do_without_the_owners_are_told(acme):
    BudgetOptOut.objects.create(workspace=acme, email="cfo@acme.test")
    reached(acme, "All", emails=["CFO@acme.test"])
    assert recipients() == [[acme.memberships.get().user.email]]


def test_a_link_that_was_changed_is_none(acme):
    reached(acme, "All", emails=["cfo@acme.test"])
    path = Email.objects.get(recipients=["cfo@acme.test"]).unsubscribe_url.rstrip("/")
    path = path[path.index("/unsubscribe/") :]
    for broken in (path[:-1] + ("a" if path[-1] != "a" else "b"), path[:20], f"{path}x"):
        assert Client().post(f"{broken}/").status_code == 404, broken
    assert not BudgetOptOut.objects.exists()
