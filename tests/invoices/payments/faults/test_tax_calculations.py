"""Whatever goes wrong while Stripe Tax is asked: one answer is kept, and none that is odd."""

import datetime as dt
from typing import Any

import pytest
from pytest_django import Settings

from billing.models import DurableWork, Email, Workspace
from billing.rating.sales_tax_questions import question_from
from billing.services import work
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import TaxCalculation
from invoices.payments.services import stripe_client, tax_calculations
from invoices.services.sales_taxes import CALCULATIONS, TaxQuestion, ask
from tests.kit.crashes import Call, Killed, killed_at_request
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
A_DAY = dt.timedelta(hours=25)
QUESTION: dict[str, Any] = {
    "address": {
        "country": "US",
        "state": "PA",
        "postal_code": "15201",
        "city": "Pittsburgh",
        "line1": "1 Liberty Ave",
        "line2": "",
    },
    "is_exempt": False,
    "currency": "USD",
    "day": "2026-10-31",
    "prices_include_tax": False,
    "lines": [{"tax_class": "standard", "code": "txcd_10103001", "amount": "61.34"}],
}


@pytest.fixture
def acme(stripe_sandbox: SandboxProcess, settings: Settings) -> Workspace:
    settings.FINANCE_EMAILS = ["finance@issuer.test"]
    return make_workspace("Acme", currency="USD")


def asked(workspace: Workspace, **changes: Any) -> TaxCalculation:
    question = question_from({**QUESTION, **changes})
    ask(TaxQuestion(workspace.pk, None, question), now=NOVEMBER_3)
    return TaxCalculation.objects.get(digest=question.digest)


def tried(row: TaxCalculation, now: dt.datetime = NOVEMBER_3) -> TaxCalculation:
    tax_calculations.calculate_tax(calculation_id=row.pk, now=now)
    row.refresh_from_db()
    return row


def made(sandbox: SandboxProcess) -> int:
    return len([each for each in sandbox.requests() if each["path"] == tax_calculations.PATH])


@pytest.mark.parametrize(
    "fault", ["drop_before", "drop_after", "500_before", "500_after", "saved_500", "429"]
)
def test_a_question_that_fails_is_asked_again(
    acme: Workspace, stripe_sandbox: SandboxProcess, fault: str
) -> None:
    row = asked(acme)
    stripe_sandbox.inject(fault, method="POST", path=tax_calculations.PATH)

    assert (tried(row).status, row.answer) == ("waiting", None)
    assert row.next_attempt_at > NOVEMBER_3
    tried(row, NOVEMBER_3 + A_DAY)

    assert row.status == "done"
    assert row.answer["tax"] == "3.68"


def test_killed_at_the_request_or_after_it_is_the_same_calculation(
    acme: Workspace, stripe_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = asked(acme)
    call = Call("POST", tax_calculations.PATH)
    with killed_at_request(call, when="before", monkeypatch=monkeypatch):
        tried(row)
    later = NOVEMBER_3 + work.lease_duration() + dt.timedelta(minutes=1)
    monkeypatch.setattr(tax_calculations, "_keep", killed)
    with pytest.raises(Killed):
        tried(row, later)
    monkeypatch.undo()
    tried(row, later + work.lease_duration() + dt.timedelta(minutes=1))

    assert row.status == "done"
    answers = [each for each in stripe_sandbox.requests() if each["status"] == 200]
    assert [each["replayed"] for each in answers][-1]


def killed(*args: Any) -> None:
    raise Killed


def test_an_address_that_stripe_cannot_place_is_blocked_and_told(
    acme: Workspace, stripe_sandbox: SandboxProcess
) -> None:
    wrong = {**QUESTION["address"], "postal_code": "99999"}
    row = tried(asked(acme, address=wrong))

    assert (row.status, row.blocked_reason) == ("blocked", "refused")
    assert "99999 is not in PA" in row.last_error
    assert "Put the customer's billing address right" in row.last_error
    assert "Acme" in Email.objects.get(kind="finance").subject
    CALCULATIONS.retry_now(row.pk, NOVEMBER_3 + A_DAY)
    assert tried(row, NOVEMBER_3 + A_DAY).status == "blocked"
    assert made(stripe_sandbox) == 2
    assert not [each for each in stripe_sandbox.requests() if each["replayed"]]


def test_nothing_collected_where_we_are_registered_is_never_billed(acme: Workspace) -> None:
    ohio = {**QUESTION["address"], "state": "OH", "postal_code": "43004"}
    row = tried(asked(acme, address=ohio))

    assert (row.blocked_reason, row.answer) == (DurableWork.Reason.REFUSED, None)
    assert "collects nothing in Ohio, where we are registered" in row.last_error


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("amount_total",), 6503),
        (("tax_amount_exclusive",), 367),
        (("line_items", "data", 0, "amount"), 6135),
        (("line_items", "data", 0, "tax_breakdown", 0, "amount"), 367),
        (("line_items", "data"), []),
        (("tax_date",), None),
    ],
)
def test_an_answer_that_does_not_add_up_is_never_kept(
    acme: Workspace, monkeypatch: pytest.MonkeyPatch, path: tuple[Any, ...], value: Any
) -> None:
    ask_stripe = stripe_client.post

    def post(*args: Any, **options: Any) -> Any:
        answer = ask_stripe(*args, **options)
        place: Any = answer
        for name in path[:-1]:
            place = place[name]
        place[path[-1]] = value
        return answer

    monkeypatch.setattr(stripe_client, "post", post)
    row = tried(asked(acme))

    assert (row.status, row.blocked_reason, row.answer) == ("blocked", "mismatch", None)
    assert Email.objects.filter(kind="finance").count() == 1


def test_without_stripe_it_waits_and_says_so(acme: Workspace, settings: Settings) -> None:
    settings.STRIPE_SECRET_KEY = ""
    row = tried(asked(acme))

    assert (row.status, row.last_error[:24]) == ("waiting", "Stripe is not configured")
