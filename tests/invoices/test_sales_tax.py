"""US sales tax: asked of Stripe Tax beforehand, frozen as answered, credited as frozen.

The sandbox taxes software in Texas at 80 % of 8.25 % (state 6.25, city 1, transit 1) in Austin, and
anything in Pennsylvania at 6 %.
"""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from pytest_django import Settings

from billing.errors import BillingError, Conflict, Invalid
from billing.issuers import issuer_of
from billing.models import BillingPeriod, Email, Workspace
from billing.services.tax_rates import add_registration
from billing.services.workspaces import update_billing_settings, update_workspace
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.document import as_preview, invoice_document, tax_note
from invoices.models import Invoice, TaxCalculation, TaxDecision
from invoices.payments.services import tax_calculations
from invoices.payments.services.collection import carry_out, void_invoice
from invoices.payments.services.credit_notes.drafting import (
    approve_credit_note,
    draft_credit_note,
)
from invoices.payments.services.credit_notes.issuing import issue_credit_note
from invoices.payments.services.settle import mark_void
from invoices.payments.services.stripe_sync import sync_invoice
from invoices.services.asking_ahead import ask_ahead
from invoices.services.closing import finalize_due_periods, finalize_period
from invoices.services.ledger import close_differences
from invoices.services.manual_items import add_manual_item, request_one_off
from invoices.services.manual_lines import ManualLine
from invoices.services.preview import upcoming_invoice
from invoices.services.sales_taxes import CALCULATIONS
from tests.kit.personas import MADE_AT, make_period
from tests.kit.taxes import JANUARY, make_customer
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_1 = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
AUSTIN = {
    "address_line1": "1 Congress Ave",
    "address_city": "Austin",
    "address_state": "Texas",
    "address_postal_code": "78701",
}


@pytest.fixture
def texas(stripe_sandbox: SandboxProcess, settings: Settings) -> SandboxProcess:
    """The issuer is registered there, and Stripe can be asked."""
    settings.FINANCE_EMAILS = ["finance@issuer.test"]
    register("TX")
    return stripe_sandbox


def register(state: str) -> None:
    add_registration(
        country="US", region=state, number=f"{state}-32071", starts_on=JANUARY, now=MADE_AT
    )


def make_texan(name: str = "Acme", **details: Any) -> Workspace:
    workspace = make_customer(name, country="US", currency="USD", **{**AUSTIN, **details})
    make_period(workspace, OCTOBER_5)
    make_usage(workspace, OCTOBER_5, "1", "10.28")
    return workspace


def close(workspace: Workspace, now: dt.datetime = NOVEMBER_3) -> list[str]:
    summary = finalize_due_periods(now=now, workspace_id=workspace.pk)
    return [failure.reason for failure in summary.failed]


def answer_all(now: dt.datetime = NOVEMBER_3) -> None:
    for pk in CALCULATIONS.due(now=now):
        tax_calculations.calculate_tax(calculation_id=pk, now=now)


def billed(workspace: Workspace) -> Invoice:
    """Its October: a fee of 49.00 and 12.34 of usage."""
    ask_ahead(now=NOVEMBER_1)
    answer_all(NOVEMBER_1)
    assert close(workspace) == []
    return Invoice.objects.get(workspace=workspace)


def amounts(document: Any) -> tuple[str, str, str]:
    total = document.amount if isinstance(document, Invoice) else document.total
    return f"{document.net:.2f}", f"{document.tax:.2f}", f"{total:.2f}"


def test_a_month_takes_what_was_answered_before_its_close(texas: SandboxProcess) -> None:
    """Of 61.34, 80 % are 49.07: 3.07 for the state and 0.49 each for the city and the transit."""
    acme = make_texan()

    invoice = billed(acme)

    assert amounts(invoice) == ("61.34", "4.05", "65.39")
    (tax,) = invoice.taxes.all()
    assert (tax.label, f"{tax.base:.2f}", f"{tax.tax:.2f}", tax.region) == (
        "Sales tax, Texas 6.6%",
        "61.34",
        "4.05",
        "TX",
    )
    decision = invoice.tax_decision
    assert (decision.treatment, decision.supplier_tax_number) == ("taxed", "TX-32071")
    calculation = decision.evidence["calculation"]
    assert calculation["id"].startswith("taxcalc_")
    assert [
        (share["jurisdiction"], share["percent"], share["taxable"], share["tax"])
        for share in calculation["lines"][0]["shares"]
    ] == [
        ("Texas", "6.25", "49.07", "3.07"),
        ("Austin", "1", "49.07", "0.49"),
        ("Austin Mta", "1", "49.07", "0.49"),
    ]
    assert "Congress" not in str(decision.evidence)
    assert close_differences() == []
    asked = [each for each in texas.requests() if each["path"] == "/v1/tax/calculations"]
    assert len(asked) == 1
    assert not Email.objects.filter(kind="finance").exists()


def test_a_month_that_nobody_asked_about_waits_alone_and_its_answer_closes_it(
    texas: SandboxProcess, settings: Settings, django_capture_on_commit_callbacks: Any
) -> None:
    settings.CELERY_TASK_ALWAYS_EAGER = False
    acme, globex = make_texan(), make_customer("Globex", country="DE")
    make_period(globex, OCTOBER_5)

    (failure,) = finalize_due_periods(now=NOVEMBER_3).failed

    assert failure.workspace_id == acme.pk
    assert "Stripe Tax has not answered yet" in failure.reason
    assert Invoice.objects.filter(workspace=globex).exists()
    assert not texas.requests(), "the close asks nobody"
    settings.CELERY_TASK_ALWAYS_EAGER = True
    with django_capture_on_commit_callbacks(execute=True):
        answer_all()
    assert amounts(Invoice.objects.get(workspace=acme)) == ("61.34", "4.05", "65.39")


def test_usage_that_comes_in_after_the_answer_is_asked_about_anew(texas: SandboxProcess) -> None:
    acme = make_texan()
    ask_ahead(now=NOVEMBER_1)
    answer_all(NOVEMBER_1)
    make_usage(acme, OCTOBER_5, "1", "100")

    (reason,) = close(acme)
    assert "has not answered yet" in reason
    answer_all()

    assert close(acme) == []
    invoice = Invoice.objects.get(workspace=acme)
    # 61.34 and 120.00: 80 % of 181.34 are 145.07, of which 9.07, 1.45 and 1.45.
    assert amounts(invoice) == ("181.34", "11.97", "193.31")
    assert TaxCalculation.objects.count() == 2


def test_an_unanswered_question_gives_way_to_the_one_that_follows_it(texas: SandboxProcess) -> None:
    acme = make_texan()
    ask_ahead(now=NOVEMBER_1)
    ask_ahead(now=NOVEMBER_1)
    (first,) = TaxCalculation.objects.all()
    update_workspace(workspace_id=acme.pk, changes={"address_postal_code": "78702"}, now=NOVEMBER_1)
    ask_ahead(now=NOVEMBER_1)

    (second,) = TaxCalculation.objects.all()
    assert first.pk != second.pk
    assert second.question["address"]["postal_code"] == "78702"


def test_discounts_lower_what_is_taxed_and_what_is_exempt_by_law_is_not_asked_about(
    texas: SandboxProcess,
) -> None:
    """61.34 less 11.34 are 50.00: 80 % are 40.00, of which 2.50, 0.40 and 0.40."""
    acme = make_texan()
    for line in (
        ManualLine("credit", "Sorry", Decimal("11.34")),
        ManualLine("charge", "Stamp", Decimal(20), "exempt"),
    ):
        add_manual_item(
            workspace_id=acme.pk, line=line, reason="Ticket 4711", asked_by="ann", now=OCTOBER_5
        )

    invoice = billed(acme)

    assert amounts(invoice) == ("70.00", "3.30", "73.30")
    assert [(tax.category, f"{tax.rate:f}", f"{tax.base:.2f}") for tax in invoice.taxes.all()] == [
        ("S", "6.6000", "50.00"),
        ("E", "0.0000", "20.00"),
    ]
    (row,) = TaxCalculation.objects.all()
    assert [line["amount"] for line in row.question["lines"]] == ["50.00"]
    assert close_differences() == []


def test_prices_that_include_the_tax_are_what_is_paid(texas: SandboxProcess) -> None:
    """61.34 / 1.066 are 57.54, and the tax 3.80."""
    acme = make_texan()
    update_billing_settings(workspace_id=acme.pk, changes={"prices_include_tax": True}, now=MADE_AT)

    invoice = billed(acme)

    assert amounts(invoice) == ("57.54", "3.80", "61.34")
    assert sum(item.net for item in invoice.items.all()) == invoice.net
    assert close_differences() == []


def test_an_exempt_customer_is_charged_none_and_stripe_says_so(texas: SandboxProcess) -> None:
    acme = make_texan()
    update_workspace(
        workspace_id=acme.pk,
        changes={"tax_status": "exempt", "tax_exemption": "Texas form 01-339, school district"},
        now=MADE_AT,
    )

    invoice = billed(acme)

    assert amounts(invoice) == ("61.34", "0.00", "61.34")
    assert invoice.taxes.get().text == "Exempt from tax: Texas form 01-339, school district"
    shares = invoice.tax_decision.evidence["calculation"]["lines"][0]["shares"]
    assert {share["reason"] for share in shares} == {"customer_exempt"}


def test_only_customers_in_a_state_with_a_registration_are_asked_about(
    texas: SandboxProcess,
) -> None:
    pennsylvanian = make_texan("Initech", address_state="PA", address_postal_code="15201")
    invoice = billed(pennsylvanian)

    assert amounts(invoice) == ("61.34", "0.00", "61.34")
    assert not TaxDecision.objects.exists()
    assert not TaxCalculation.objects.exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"address_state": "Bavaria"}, "needs its state, as TX or Texas: 'Bavaria' is none"),
        ({"address_state": ""}, "needs its state, as TX or Texas: It has none"),
        ({"address_postal_code": ""}, "has no ZIP code"),
    ],
)
def test_an_address_that_says_too_little_is_named(
    texas: SandboxProcess, change: dict[str, str], reason: str
) -> None:
    acme = make_texan(**change)
    assert ask_ahead(now=NOVEMBER_1) == 0
    (said,) = close(acme)
    assert reason in said


def test_a_registration_in_the_us_is_of_a_state() -> None:
    for region in ("", "Bavaria"):
        with pytest.raises(Invalid, match="as TX or Texas"):
            add_registration(
                country="US", region=region, number="1", starts_on=JANUARY, now=MADE_AT
            )
    row = add_registration(country="US", region="texas", number="1", starts_on=JANUARY, now=MADE_AT)
    assert row.region == "TX"
    with pytest.raises(Conflict):
        add_registration(country="US", region="TX", number="2", starts_on=JANUARY, now=MADE_AT)


def test_credit_notes_give_the_tax_back_in_the_proportion_it_was_taken(
    texas: SandboxProcess,
) -> None:
    """Of 4.05 on 61.34, a note of 49.00 takes 3.24 (3.2352); that of the last 12.34 the rest."""
    invoice = billed(make_texan())
    Invoice.objects.filter(pk=invoice.pk).update(status="open")
    fee, usage = invoice.items.all()
    for item, then in ((fee, ("49.00", "3.24", "52.24")), (usage, ("12.34", "0.81", "13.15"))):
        note = draft_credit_note(
            invoice_id=invoice.pk,
            reason="goodwill",
            explanation="Sorry.",
            rest_to="credit",
            drafted_by="ann",
            items={item.pk: item.net},
            now=NOVEMBER_3,
        )
        approve_credit_note(credit_note_id=note.pk, by="bob", now=NOVEMBER_3)
        issue_credit_note(credit_note_id=note.pk, by="bob", now=NOVEMBER_3)
        assert amounts(note) == then
        assert note.taxes.get().label == "Sales tax, Texas 6.6%"
    assert close_differences() == []


def test_a_preview_says_whether_its_tax_is_known(texas: SandboxProcess) -> None:
    acme = make_texan()

    unknown = upcoming_invoice(workspace_id=acme.pk, now=OCTOBER_5)
    assert (unknown.tax_status, amounts(unknown.invoice)) == ("unknown", ("61.34", "0.00", "61.34"))
    assert not TaxCalculation.objects.exists(), "nothing is asked for a look"
    told = "Sales tax is not known yet."
    assert tax_note(unknown.tax_status).startswith(told)
    document = invoice_document(
        unknown.invoice, unknown.items, issuer=issuer_of(None), units={}, taxes=[]
    )
    assert as_preview(document, unknown.invoice, tax_status="unknown")["notes"][0].startswith(told)

    billed(acme)
    make_usage(acme, NOVEMBER_3, "1", "50")
    estimated = upcoming_invoice(workspace_id=acme.pk, now=NOVEMBER_3)
    # A fee of 49.00 and 60.00: 109.00 at 6.6 %, the rate of October.
    assert (estimated.tax_status, amounts(estimated.invoice)) == (
        "estimated",
        ("109.00", "7.19", "116.19"),
    )


def test_an_invoice_of_its_own_is_refused_until_its_tax_is_known(texas: SandboxProcess) -> None:
    acme = make_texan()
    wanted: dict[str, Any] = {
        "workspace_id": acme.pk,
        "lines": [ManualLine("charge", "Set-up", Decimal(100))],
        "reason": "Contract",
        "asked_by": "ann",
        "now": NOVEMBER_3,
    }
    another = {**wanted, "lines": [ManualLine("charge", "Training", Decimal(50))]}
    for each in (wanted, another):
        with pytest.raises(Conflict) as refused:
            request_one_off(**each)
        assert refused.value.code == "tax_not_calculated"
    answer_all()

    invoices = [request_one_off(**each).invoice for each in (wanted, another)]
    assert [amounts(invoice) for invoice in invoices] == [
        ("100.00", "6.60", "106.60"),
        ("50.00", "3.30", "53.30"),
    ]


def test_a_close_by_hand_asks_too(texas: SandboxProcess) -> None:
    acme = make_texan()
    period = BillingPeriod.objects.get(workspace=acme, status="current", period_end__lte=NOVEMBER_1)
    with pytest.raises(BillingError) as refused:
        finalize_period(period_id=period.pk, now=NOVEMBER_1)
    assert refused.value.code == "tax_not_calculated"
    answer_all(NOVEMBER_1)
    assert finalize_period(period_id=period.pk, now=NOVEMBER_1).status == "finalized"


def test_what_stripe_has_voided_is_void_and_its_new_invoice_comes_with_the_answer(
    texas: SandboxProcess,
) -> None:
    acme = make_texan()
    invoice = billed(acme)
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_3).done
    update_workspace(
        workspace_id=acme.pk, changes={"address_line1": "2 Congress Ave"}, now=NOVEMBER_3
    )
    action = void_invoice(
        invoice_id=invoice.pk, actor=None, reason="They have moved", reissue=True, now=NOVEMBER_3
    )
    # As its webhook does, which may be the first to say so.
    mark_void(invoice_id=invoice.pk, now=NOVEMBER_3, source="Stripe")
    invoice.refresh_from_db()
    assert (invoice.status, invoice.replacement) == ("void", None)
    waits = carry_out(action_id=action.pk, now=NOVEMBER_3)
    assert waits is not None
    assert waits.status == "waiting"
    assert "Stripe Tax has not answered yet" in waits.last_error
    answer_all()
    done = carry_out(action_id=action.pk, now=NOVEMBER_3 + dt.timedelta(hours=1))
    assert done is not None
    assert done.status == "done"
    invoice.refresh_from_db()
    assert invoice.replacement is not None
    assert amounts(invoice.replacement) == ("61.34", "4.05", "65.39")
