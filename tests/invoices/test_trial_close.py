"""Trial closes: compared with the month before, approved by the rule or a person, held to that."""

import datetime as dt
from decimal import Decimal

import pytest
from django.urls import reverse

from billing.models import BillingPeriod
from invoices.models import Invoice, TrialInvoice
from invoices.services.closing import finalize_due_periods, finalize_period
from invoices.services.closing.approval import changes_between
from invoices.services.closing.sums import CannotClose
from invoices.services.preview import live_closings
from invoices.services.trial_close import approve, kind_of, trial_close
from tests.kit.api import ApiClient
from tests.kit.kept import fresh, made_once
from tests.kit.personas import make_period, make_workspace
from tests.kit.staff import finance_client, viewer_client
from tests.kit.taxes import make_customer, register
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
D = Decimal
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
NOVEMBER_5 = dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC)
DECEMBER_3 = dt.datetime(2026, 12, 3, 12, tzinfo=dt.UTC)


@made_once
def made():
    """Its October was billed 49.00 and 12.00; its November is 61.00 too."""
    acme = make_workspace("Acme", timezone="UTC")
    make_period(acme, OCTOBER_5)
    make_usage(acme, OCTOBER_5, "1", "10")
    finalize_due_periods(now=NOVEMBER_3, workspace_id=acme.pk)
    make_usage(acme, NOVEMBER_5, "1", "10")
    return acme


@pytest.fixture
def acme(made):
    return fresh(made)


@pytest.fixture
def approval(acme, settings):
    """From November on: its October is closed by then."""
    settings.CLOSE_NEEDS_APPROVAL = True


def trial_of(workspace) -> TrialInvoice:
    return TrialInvoice.objects.get(period__workspace=workspace)


def billed(workspace) -> list[str]:
    november = Invoice.objects.filter(workspace=workspace, billing_period__period_start__month=11)
    return [f"{invoice.amount:.2f}" for invoice in november]


@pytest.mark.parametrize(
    ("amount", "previous", "kind"),
    [
        ("61", None, "new"),
        ("61", "0", "new"),
        ("0", "61", "gone"),
        ("0", None, "nothing"),
        ("130", "100", "usual"),
        ("130.01", "100", "up"),
        ("70", "100", "usual"),
        ("69.99", "100", "down"),
    ],
)
def test_what_an_amount_is_beside_the_month_before(amount, previous, kind):
    assert kind_of(D(amount), None if previous is None else D(previous)) == kind


def test_without_the_setting_a_month_closes_by_itself(acme):
    finalize_due_periods(now=DECEMBER_3)

    assert billed(acme) == ["61.00"]
    assert not TrialInvoice.objects.exists()


@pytest.mark.usefixtures("approval")
def test_a_usual_month_is_approved_by_the_rule_and_closes_as_it_was_tried(acme):
    assert finalize_due_periods(now=DECEMBER_3).done == 0
    with pytest.raises(CannotClose) as refused:
        finalize_period(period_id=acme.periods.get(status="current").pk, now=DECEMBER_3)
    assert refused.value.code == "not_approved"

    summary = trial_close(now=DECEMBER_3)

    trial = trial_of(acme)
    assert (summary.tried, summary.waiting) == (1, 0)
    assert (trial.kind, trial.amount, trial.previous_amount) == ("usual", D(61), D(61))
    assert trial.approved_by == "the rule for changes of at most 30 %"
    assert finalize_due_periods(now=DECEMBER_3).invoiced == 1
    assert billed(acme) == ["61.00"]


@pytest.mark.usefixtures("approval")
def test_a_month_that_is_much_more_waits_for_a_person_with_a_name_and_a_time(acme):
    make_usage(acme, NOVEMBER_5, "1", "20")
    trial_close(now=DECEMBER_3)
    trial = trial_of(acme)
    assert (trial.kind, trial.amount, trial.approved_at) == ("up", D(85), None)
    assert finalize_due_periods(now=DECEMBER_3).done == 0

    client = finance_client()
    page = client.get(reverse("finance:trial")).content.decode()
    assert "1 waits to be approved" in page
    assert "$85.00" in page
    client.post(
        reverse("finance:approve_trial"), {"trial": [f"{trial.period_id} {trial.digest}", "x"]}
    )

    trial.refresh_from_db()
    assert trial.approved_by.endswith("@finance.test")
    assert trial.approved_at is not None
    finalize_due_periods(now=DECEMBER_3)
    assert billed(acme) == ["85.00"]


@pytest.mark.usefixtures("approval")
def test_what_comes_after_the_approval_is_listed_and_approved_anew(acme):
    trial_close(now=DECEMBER_3)
    make_usage(acme, NOVEMBER_5, "2", "30", now=DECEMBER_3)

    summary = finalize_due_periods(now=DECEMBER_3)

    period = BillingPeriod.objects.get(pk=trial_of(acme).period_id)
    assert len(summary.failed) == 1
    assert period.is_current
    assert "Call Minutes: 2 units more, 12 became 84." in period.close_error
    trial_close(now=DECEMBER_3)
    trial = trial_of(acme)
    assert (trial.kind, trial.approved_at) == ("up", None)
    assert trial.changes == ["Call Minutes: 2 units more, 12 became 84."]
    make_usage(acme, NOVEMBER_5, "1", "10", now=DECEMBER_3)
    trial_close(now=DECEMBER_3)
    trial = trial_of(acme)
    assert trial.changes == [
        "Call Minutes: 2 units more, 12 became 84.",
        "Call Minutes: 1 units more, 84 became 96.",
    ]
    approve(seen={period.pk: trial.digest}, by="fay", now=DECEMBER_3)
    finalize_due_periods(now=DECEMBER_3)
    assert billed(acme) == ["145.00"]


@pytest.mark.usefixtures("approval")
def test_a_trial_again_of_the_same_keeps_who_approved_it(acme):
    make_usage(acme, NOVEMBER_5, "1", "20")
    trial_close(now=DECEMBER_3)
    seen = {trial_of(acme).period_id: trial_of(acme).digest}
    approve(seen=seen, by="fay", now=DECEMBER_3)
    assert approve(seen=seen, by="bob", now=DECEMBER_3) == []

    trial_close(now=DECEMBER_3 + dt.timedelta(hours=1))

    assert trial_of(acme).approved_by == "fay"


@pytest.mark.usefixtures("approval")
def test_what_was_tried_again_since_somebody_looked_is_not_approved_unseen(acme):
    make_usage(acme, NOVEMBER_5, "1", "20")
    trial_close(now=DECEMBER_3)
    looked_at = trial_of(acme)
    make_usage(acme, NOVEMBER_5, "1", "30", now=DECEMBER_3)
    trial_close(now=DECEMBER_3)

    client = finance_client()
    chosen = {"trial": [f"{looked_at.period_id} {looked_at.digest}"]}
    answer = client.post(reverse("finance:approve_trial"), chosen, follow=True)

    assert "1 not approved: tried again since you looked" in answer.content.decode()
    assert trial_of(acme).approved_at is None


@pytest.mark.usefixtures("approval")
def test_one_whose_trial_breaks_off_keeps_nobody_else_from_theirs(acme, monkeypatch):
    globex = make_workspace("Globex", timezone="UTC")
    make_period(globex, NOVEMBER_5)

    def breaks_for_globex(periods, now):
        if any(period.workspace_id == globex.pk for period in periods):
            raise ZeroDivisionError
        return live_closings(periods, now)

    monkeypatch.setattr("invoices.services.preview.live_closings", breaks_for_globex)
    summary = trial_close(now=DECEMBER_3)

    assert (summary.tried, summary.failed) == (1, 1)
    assert trial_of(acme).amount == D(61)


def test_two_lines_of_the_same_words_are_told_apart():
    def bill(*amounts: str) -> dict[str, object]:
        lines = [
            {"description": "Goodwill", "quantity": "1", "exact_amount": each} for each in amounts
        ]
        return {"lines": lines, "tax": "0"}

    assert changes_between(bill("-20"), bill("-20", "-5")) == ["Goodwill (2): -5 came in."]


@pytest.mark.usefixtures("approval")
def test_the_lines_of_a_trial_say_whether_the_tax_is_in_them():
    register()
    rest = {}
    for name, is_included in (("Added", False), ("Included", True)):
        customer = make_customer(name)
        customer.billing_settings.prices_include_tax = is_included
        customer.billing_settings.save()
        make_period(customer, NOVEMBER_5)
        trial_close(now=DECEMBER_3, workspace_id=customer.pk)
        rest[name] = (trial_of(customer).amount, trial_of(customer).billed[-1])

    assert rest == {
        "Added": (D("58.31"), ("Tax", D("9.31"))),
        "Included": (D("49.00"), ("Includes tax", D("7.82"))),
    }


def test_who_only_reads_approves_nothing(acme):
    assert viewer_client().post(reverse("finance:approve_trial")).status_code == 403


@pytest.mark.usefixtures("approval")
def test_services_read_trials_and_approve_them_as_they_were_read(acme):
    make_usage(acme, NOVEMBER_5, "1", "20")
    trial_close(now=DECEMBER_3)
    (seen,) = ApiClient("billing:read").get("trial-invoices/").json()["results"]
    assert (seen["kind"], seen["amount"], seen["approved_at"]) == ("up", "85.00", None)

    api = ApiClient("billing:write")
    asked = {"billing_period_id": seen["billing_period_id"], "digest": "0" * 64}
    stale = api.post("trial-invoices/approve/", {"trials": [asked]}).json()
    assert stale == {"approved": [], "left": [seen["billing_period_id"]]}
    assert api.post("trial-invoices/approve/", {"trials": [asked] * 1001}).status_code == 400
    asked["digest"] = seen["digest"]
    done = api.post("trial-invoices/approve/", {"trials": [asked]}).json()
    assert done == {"approved": [seen["billing_period_id"]], "left": []}
    assert trial_of(acme).approved_by.startswith("service key")

    many = api.post("trial-invoices/approve/", {"trials": [asked] * 1001})
    assert many.status_code == 400
    assert [each["pointer"] for each in many.json()["errors"]] == ["/trials"]

    bound = ApiClient("billing:read", "billing:write", workspace_id=acme.pk)
    assert bound.get("trial-invoices/").json()["results"] == []
    assert bound.post("trial-invoices/approve/", {"trials": [asked]}).status_code == 403
