"""One digit changed anywhere between a record and a payment is named on its step."""

import datetime as dt
import hashlib
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from uuid import UUID

import pytest
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.urls import reverse
from djstripe.models import Customer
from djstripe.models import Invoice as StripeCopy
from pypdf import PdfReader
from pytest_django import Settings

from billing.models import BillingPeriod, Email, Workspace
from invoices.models import Invoice
from invoices.payments.models import ProofRun
from invoices.payments.services import proof, settle
from invoices.payments.services.ledger.payments import PaidInvoice, payment_flaws
from invoices.payments.services.proof.certificate import canonical_text
from invoices.services.closing import finalize_due_periods
from tests.kit.api import ApiClient
from tests.kit.personas import make_workspace, member_client
from tests.kit.prices import published, rate, use
from tests.kit.staff import superuser_client
from tests.kit.usage import make_call, make_usage
from usage.services import sealing
from usage.services.ledger import Scope

pytestmark = pytest.mark.django_db

DECEMBER = dt.date(2026, 12, 1)
DECEMBER_5 = dt.datetime(2026, 12, 5, 12, tzinfo=dt.UTC)
JANUARY_3 = dt.datetime(2027, 1, 3, 12, tzinfo=dt.UTC)
EVERYTHING = Scope()
GRADUATED = {
    "model": "graduated",
    "tiers": [{"up_to": "1000", "unit_price": "0.02"}, {"up_to": None, "unit_price": "0.015"}],
}


@pytest.fixture
def acme() -> Workspace:
    """December billed, sealed and paid, and 5.00 given back: 49.00, 1,200 minutes by tiers for
    23.00, and 10 GB for 1.15; two workspaces beside it."""
    acme = make_workspace("Acme", timezone="UTC")
    use(published(rate(GRADUATED, "call_minutes"), day=DECEMBER), acme.pk, day=DECEMBER)
    make_usage(acme, DECEMBER_5, "1000", "0.0125", key="first")
    make_usage(acme, DECEMBER_5, "200", "0.0125", key="second")
    make_usage(acme, DECEMBER_5, "10", "0.1", key="disk", resource_type="storage", model="ssd")
    make_call(acme, DECEMBER_5)
    globex = make_workspace("Globex")
    make_usage(globex, DECEMBER_5, "7", "0.1", key="plain")
    finalize_due_periods(now=JANUARY_3)
    sealing.seal_closed_periods(now=JANUARY_3)
    make_usage(globex, JANUARY_3, "1", "0.1")
    invoice = Invoice.objects.get(workspace=acme)
    assert invoice.amount == Decimal("73.15")
    StripeCopy.objects.create(
        id="in_acme",
        customer=Customer.objects.create(id="cus_acme", livemode=False, stripe_data={}),
        livemode=False,
        stripe_data={"total": 7315, "currency": "usd", "amount_paid": 7315},
    )
    settle.mark_open(
        invoice_id=invoice.pk, stripe_invoice_id="in_acme", hosted_invoice_url="", now=JANUARY_3
    )
    settle.note_payment(
        invoice_id=invoice.pk,
        charge_id="ch_1",
        amount=invoice.amount,
        status="paid",
        at=JANUARY_3,
    )
    settle.mark_paid(invoice_id=invoice.pk, paid_at=JANUARY_3, now=JANUARY_3)
    about = {"invoice_id": invoice.pk, "charge_id": "ch_1", "at": JANUARY_3, "now": JANUARY_3}
    settle.note_refunded_charge(
        amount=invoice.amount, amount_refunded=Decimal(5), source="test", **about
    )
    settle.note_refund(
        refund_id="re_1", amount=Decimal(5), status="succeeded", source="test", **about
    )
    Invoice.objects.update(updated_at=JANUARY_3 - dt.timedelta(days=90))
    return acme


@contextmanager
def by_force(*statements: str) -> Iterator[None]:
    """What the owner of the tables can do: triggers off. All of it is taken back at the end."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for statement in statements:
            table = statement.removeprefix("DELETE FROM ").removeprefix("UPDATE ").split()[0]
            cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")
            cursor.execute(statement)
            cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
        yield
        transaction.set_rollback(True)


def failing(scope: Scope = EVERYTHING) -> dict[str, str]:
    """The first difference of each step that has one."""
    found = proof.prove(scope, now=JANUARY_3)
    return {each.step.name: str(each.first) for each in found.results if not each.passed}


_MINUTES = "WHERE resource_type = 'call_minutes' AND rate_id IS NOT NULL"
_PERIOD = "WHERE has_meters"
_OF_ACME = "WHERE invoice_id = (SELECT id FROM invoices_invoice WHERE amount = 73.15)"
# What is changed: the first step that names it, what it says, and how it is changed.
TAMPERED = {
    "a digit of a record": (
        "records",
        "does not cost what its quantity and unit cost make",
        ["UPDATE usage_usagerecord SET quantity = quantity + 0.000001"],
    ),
    "what a record was sold for": (
        "records",
        "does not cost what",
        ["UPDATE usage_usagerecord SET final_cost = 0.8400000001 WHERE idempotency_key = 'plain'"],
    ),
    "when a record occurred": (
        "records",
        "has been changed, or added after the seal",
        ["UPDATE usage_usagerecord SET occurred_at = occurred_at + interval '1 second'"],
    ),
    "a record dropped": (
        "records",
        "1 of 3 records are gone",
        ["DELETE FROM usage_usagerecord WHERE idempotency_key = 'disk'"],
    ),
    "a record moved to nobody's period": (
        "records",
        "1 records are in a period that the workspace does not have",
        [
            "UPDATE usage_usagerecord SET billing_period_id = gen_random_uuid()"
            " WHERE idempotency_key = 'plain'"
        ],
    ),
    "the end of the chain cut": (
        "records",
        "it should end with seal 1",
        ["DELETE FROM usage_sealfingerprints", "DELETE FROM usage_periodseal"],
    ),
    "a rollup": (
        "rollups",
        "rolled up as 2 of 1200.000000 for 24.0000000001",
        [f"UPDATE usage_usagerollup SET final_cost = final_cost + 1e-10 {_MINUTES}"],
    ),
    "a rollup's cost": (
        "rollups",
        "at a cost of 15.0000000000, rolled up as 2 of 1200.000000 for 24.0000000000 at a cost of"
        " 16.0000000000",
        [f"UPDATE usage_usagerollup SET total_cost = total_cost + 1 {_MINUTES}"],
    ),
    "a model's rollup": (
        "rollups",
        "model ssd",
        ["UPDATE usage_dimensionrollup SET quantity = quantity + 0.000001"],
    ),
    "a counter": (
        "counters",
        "counted",
        ["UPDATE billing_periodcounter SET records = records + 1 WHERE records > 0"],
    ),
    "a meter": (
        "adjustments",
        "closed with 1200.000000 units, 24.0000000000 at list price and -1.0000000001",
        [
            "UPDATE usage_periodmeter SET adjustment = adjustment - 1e-10,"
            " net_amount = net_amount - 1e-10"
        ],
    ),
    "a subtotal": (
        "totals",
        "closed with a subtotal of 24.1500000001",
        [
            "UPDATE billing_billingperiod SET subtotal = subtotal + 1e-10,"
            f" total_amount = total_amount + 1e-10 {_PERIOD}"
        ],
    ),
    "a charge": (
        "totals",
        "charged 49.0000000001, its own terms make it 49.0000000000",
        ["UPDATE billing_periodcharge SET amount = amount + 1e-10"],
    ),
    "a credit": (
        "totals",
        "brought forward a credit of -1.0000000000, the period closed before it left 0",
        [
            "UPDATE billing_billingperiod SET credit_brought_forward = -1,"
            f" total_amount = total_amount - 1 {_PERIOD}"
        ],
    ),
    "a closed period that takes records": (
        "totals",
        "a counter still lets records in",
        ["UPDATE billing_periodcounter SET is_open = true"],
    ),
    "a cent from one line to another": (
        "items",
        "line 1 (subscription): amount is 49.010, the period's sums make it 49.00",
        [
            "UPDATE invoices_invoiceitem SET amount = amount + CASE kind WHEN 'subscription' THEN"
            f" 0.01 ELSE -0.01 END {_OF_ACME} AND position < 3",
            f"UPDATE invoices_invoiceitem SET net = amount {_OF_ACME}",
        ],
    ),
    "a line's quantity": (
        "items",
        "line 2 (call_minutes): quantity is 1201.000000, the period's sums make it 1200.000000",
        [f"UPDATE invoices_invoiceitem SET quantity = quantity + 1 {_OF_ACME} AND position = 2"],
    ),
    "a line dropped": (
        "items",
        "has 2 lines, the period's sums make 3",
        [f"DELETE FROM invoices_invoiceitem {_OF_ACME} AND position = 3"],
    ),
    "an invoice's amount": (
        "invoices",
        "asks for 73.160 (exactly 73.1500000000)",
        [
            "UPDATE invoices_invoice SET amount = 73.16, net = 73.16, amount_paid = 73.16"
            " WHERE amount = 73.15"
        ],
    ),
    "a number given out": (
        "invoices",
        "INV-2027 has given out 3 numbers for 2 invoices",
        ["UPDATE invoices_invoicesequence SET last_number = 3"],
    ),
    "a line's net": (
        "items",
        "line 1: net is 49.010, its amount 49.000",
        [f"UPDATE invoices_invoiceitem SET net = net + 0.01 {_OF_ACME} AND position = 1"],
    ),
    "the total in Stripe": (
        "stripe",
        "is 7315 USD in Stripe's units, in Stripe 7316 USD",
        ["""UPDATE djstripe_invoice SET stripe_data = stripe_data || '{"total": 7316}'"""],
    ),
    "the invoice in Stripe": (
        "stripe",
        "is in_acme in Stripe, its period says in_other",
        [f"UPDATE billing_billingperiod SET stripe_invoice_id = 'in_other' {_PERIOD}"],
    ),
    "a payment": (
        "payments",
        "is paid with 73.150, its payments add up to 73.140",
        ["UPDATE payments_paymententry SET amount = amount - 0.01 WHERE kind = 'payment'"],
    ),
    "a payment dropped": (
        "payments",
        "is paid with 73.15 in Stripe, and no payment is known",
        [
            "UPDATE payments_payment SET entry_id = NULL",
            "DELETE FROM payments_paymententry",
        ],
    ),
    "a refund": (
        "payments",
        "had refunds of 4.990, its charges say that 5.000 was given back",
        ["UPDATE payments_paymententry SET amount = amount - 0.01 WHERE kind = 'refund'"],
    ),
    "what an invoice says was given back": (
        "payments",
        "says that 6.000 was refunded, its refunds add up to 5.000",
        ["UPDATE invoices_invoice SET amount_refunded = 6 WHERE amount_refunded > 0"],
    ),
    "a period's status": (
        "payments",
        "is paid, its period is finalized",
        [
            "UPDATE billing_billingperiod SET status = 'finalized', paid_at = NULL"
            " WHERE status = 'paid'"
        ],
    ),
    "a call's hour": (
        "calls",
        "1 calls",
        ["UPDATE usage_callrollup SET calls = calls + 1"],
    ),
}


def test_whatever_is_changed_by_force_is_named_on_its_step(acme):
    assert failing() == {}

    wrong = []
    for what, (step, says, statements) in TAMPERED.items():
        with by_force(*statements):
            found = failing()
        first = next(iter(found), "nothing")
        if first != step or says not in found[first]:
            wrong.append(f"{what}: {found or 'nothing'}")
    assert not wrong, "\n".join(wrong)
    assert failing() == {}


def test_a_trigger_switched_off_is_named(acme):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(
            "ALTER TABLE usage_usagerecord DISABLE TRIGGER usage_records_are_not_truncated"
        )
        cursor.execute("DROP TRIGGER audit_log_is_append_only ON billing_auditentry")
        found = proof.prove(Scope(), now=JANUARY_3)
        transaction.set_rollback(True)

    assert [str(each) for each in found.results[0].found] == [
        "records and triggers: trigger audit_log_is_append_only of billing_auditentry is missing:"
        " rows could be changed there",
        "records and triggers: trigger usage_records_are_not_truncated of usage_usagerecord is"
        " switched off: rows could be changed there",
    ]


def test_one_period_is_proved_by_itself(acme):
    period = BillingPeriod.objects.get(has_meters=True, status="paid")
    other = BillingPeriod.objects.get(workspace__name="Globex", status="finalized")
    with by_force("UPDATE usage_usagerecord SET unit_cost = 0.02 WHERE idempotency_key = 'plain'"):
        assert failing(Scope.of_period(period)) == {}
        assert set(failing(Scope.of_period(other))) == {"records"}
        assert set(failing(Scope(acme.pk))) == set()


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({}, []),
        # Out of band, or with a later invoice: there is no payment.
        ({"payments": 0, "paid": Decimal(0), "amount_paid": None}, []),
        ({"paid": Decimal("70"), "credited": Decimal("3.15")}, []),
        ({"paid": Decimal("73.16")}, ["is paid with 73.15, its payments add up to 73.16"]),
        ({"same_paid_at": False}, ["was paid at another time than its period"]),
        (
            {"status": "open", "period_status": "finalized"},
            ["is open, its payments add up to 73.15 of 73.15"],
        ),
        # The event that says so may be on its way.
        ({"status": "open", "period_status": "finalized", "is_settled": False}, []),
        # The charge's total of refunds is read again later.
        (
            {
                "refunded": Decimal(1),
                "charges_refunded": Decimal(5),
                "failed_refunds": 1,
                "amount_refunded": Decimal(5),
            },
            [],
        ),
    ],
)
def test_money_of_one_invoice(facts, says):
    invoice = PaidInvoice(
        workspace_id=UUID(int=1),
        period_id=UUID(int=2),
        number="INV-1",
        status="paid",
        period_status="paid",
        charged=Decimal("73.15"),
        amount_refunded=Decimal(0),
        payments=1,
        paid=Decimal("73.15"),
        charges_refunded=Decimal(0),
        refunded=Decimal(0),
        failed_refunds=0,
        credited=Decimal(0),
        paid_elsewhere=Decimal(0),
        overpaid=Decimal(0),
        amount_paid=Decimal("73.15"),
        is_settled=True,
        same_paid_at=True,
    )

    assert list(payment_flaws(invoice._replace(**facts))) == says


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

    with by_force(f"UPDATE usage_usagerollup SET final_cost = 13 {_MINUTES}"):
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

    with by_force("UPDATE billing_periodcharge SET amount = amount + 1e-10"):
        run = proof.prove_and_keep(now=JANUARY_3 + dt.timedelta(hours=1))
        page = client.get(reverse("finance:proof")).content.decode()
        told = Email.objects.get(kind="finance")
    assert (run.passed, run.periods) == (False, BillingPeriod.objects.count())
    assert "its own terms make it 49.0000000000" in page
    assert told.subject == "The ledger does not agree: 6 differences"
    assert mail.outbox == []


def test_a_run_that_was_killed_leaves_the_last_result(acme):
    proof.prove_and_keep(now=JANUARY_3)
    ProofRun.objects.create(started_at=JANUARY_3 + dt.timedelta(hours=1))

    page = superuser_client().get(reverse("finance:proof")).content.decode()

    assert "Everything agrees" in page
    assert "is not finished" in page


def test_a_certificate_says_what_an_invoice_is_made_of(acme):
    invoice = Invoice.objects.get(workspace=acme)
    owner, api = member_client(acme), ApiClient()

    answer = api.get(f"invoices/{invoice.pk}/certificate/")
    page = owner.get(reverse("payments:certificate", args=[acme.pk, invoice.pk]))
    as_json = owner.get(reverse("payments:certificate-json", args=[acme.pk, invoice.pk]))
    admin = superuser_client().get(
        reverse("admin:invoices_invoice_certificate", args=[invoice.pk]), {"json": ""}
    )

    body = answer.json()
    assert body["verdict"] == "proven"
    assert (body["amount"], body["exact_amount"]) == ("73.150", "73.1500000000")
    assert all(Decimal(step["residual"]) == 0 for step in body["steps"])
    steps = {
        step["name"]: {each["name"]: each["value"] for each in step["figures"]}
        for step in body["steps"]
    }
    assert steps["records"] == {
        "Records": "3",
        "Of them late": "0",
        "Sum at list price": "25.1500000000",
    }
    assert steps["adjustments"]["Added by tiers and packages"] == "-1.0000000000"
    assert (steps["totals"]["Total"], steps["payments"]["Paid"]) == ("73.1500000000", "73.150")
    assert "total_cost" not in answer.content.decode()
    assert body["digest"] == hashlib.sha256(canonical_text(body)).hexdigest()
    assert body["seal"]["records"] == 3
    assert {**as_json.json(), **admin.json()}.keys() == body.keys()
    assert page["Content-Disposition"].endswith(f'"{invoice.number}-certificate.pdf"')
    text = "".join(part.extract_text() for part in PdfReader(io.BytesIO(page.content)).pages)
    for said in ("Proven", invoice.number, "25.15", body["seal"]["digest"][:16]):
        assert said in text
    pdf = api.get(f"invoices/{invoice.pk}/certificate/pdf/")
    assert pdf["Content-Type"] == "application/pdf"


def test_a_certificate_of_what_differs_says_so_and_by_how_much(acme):
    invoice = Invoice.objects.get(workspace=acme)
    with by_force(f"UPDATE usage_usagerollup SET final_cost = final_cost + 0.5 {_MINUTES}"):
        body = ApiClient().get(f"invoices/{invoice.pk}/certificate/").json()

    steps = {step["name"]: step for step in body["steps"]}
    assert (body["verdict"], steps["rollups"]["passed"]) == ("differs", False)
    assert steps["rollups"]["residual"] == "0.5000000000"
    with by_force("DELETE FROM usage_sealfingerprints", "DELETE FROM usage_periodseal"):
        assert proof.certify(invoice, now=JANUARY_3).verdict == "not_sealed_yet"


def test_another_workspaces_certificate_is_not_there(acme):
    invoice = Invoice.objects.get(workspace=acme)
    globex = Workspace.objects.get(name="Globex")
    client, key = member_client(globex), ApiClient(workspace_id=globex.pk)

    page = reverse("payments:certificate", args=[globex.pk, invoice.pk])
    assert client.get(page).status_code == 404
    assert key.get(f"invoices/{invoice.pk}/certificate/").status_code == 404
