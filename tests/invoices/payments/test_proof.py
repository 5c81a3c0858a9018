"""One digit changed anywhere between a record and a payment is named on its step."""

from decimal import Decimal
from uuid import UUID

import pytest
from django.db import connection, transaction

from billing.models import BillingPeriod, Workspace
from invoices.models import Invoice
from invoices.payments.services import proof
from invoices.payments.services.ledger.payments import PaidInvoice, payment_flaws
from tests.kit.by_force import changed_by_force
from tests.kit.credit_notes import issue_note
from tests.kit.kept import fresh, made_once
from tests.kit.proved import JANUARY_3, MINUTES, make_proved_month
from usage.services.ledger import Scope

pytestmark = pytest.mark.django_db

EVERYTHING = Scope()


made = made_once(make_proved_month)


@pytest.fixture
def acme(made: Workspace) -> Workspace:
    return fresh(made)


def failing(scope: Scope = EVERYTHING) -> dict[str, str]:
    """The first difference of each step that has one."""
    found = proof.prove(scope, now=JANUARY_3)
    return {each.step.name: str(each.first) for each in found.results if not each.passed}


def first_failing() -> tuple[str, str]:
    """The first step that has a difference, which is all that is to be known, and that one."""
    for step in proof.STEPS:
        [result] = proof.prove(EVERYTHING, now=JANUARY_3, steps=[step]).results
        if not result.passed:
            return step.name, str(result.first)
    return "nothing", ""


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
        [f"UPDATE usage_usagerollup SET final_cost = final_cost + 1e-10 {MINUTES}"],
    ),
    "a rollup's cost": (
        "rollups",
        "at a cost of 15.0000000000, rolled up as 2 of 1200.000000 for 24.0000000000 at a cost of"
        " 16.0000000000",
        [f"UPDATE usage_usagerollup SET total_cost = total_cost + 1 {MINUTES}"],
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
    "what is charged with an invoice for earlier ones": (
        "payments",
        "is paid with 73.160, its payments add up to 73.150",
        ["UPDATE invoices_invoice SET carried_in = 0.01 WHERE amount = 73.15"],
    ),
    "what was too small to be charged": (
        "history",
        "carried_over is 0.010, by its log 0.000",
        ["UPDATE invoices_invoice SET carried_over = 0.01 WHERE amount = 73.15"],
    ),
    "when an invoice is due": (
        "history",
        "due_date is 2028-",
        [
            "UPDATE invoices_invoice SET due_date = due_date + interval '1 year'"
            " WHERE amount = 73.15"
        ],
    ),
    "who an invoice is addressed to": (
        "history",
        "bill_to_name is Somebody, by its log Acme",
        ["UPDATE invoices_invoice SET bill_to_name = 'Somebody' WHERE amount = 73.15"],
    ),
    "a letterhead": (
        "history",
        "is not what it was issued as",
        ["""UPDATE billing_letterhead SET facts = facts || '{"name": "Somebody"}'"""],
    ),
    "what a line says of its tiers": (
        "items",
        "meters is [], the period's sums make it",
        ["UPDATE invoices_invoiceitem SET meters = '[]' WHERE meters <> '[]'"],
    ),
    "what a meter says of its tiers": (
        "adjustments",
        "its lines is [], its price makes",
        ["UPDATE usage_periodmeter SET lines = '[]'"],
    ),
    "a meter that nothing can read": (
        "adjustments",
        "could not be proved to the end: TypeError",
        ["""UPDATE usage_periodmeter SET lines = '["x"]'"""],
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
        with changed_by_force(*statements):
            first, difference = first_failing()
        if first != step or says not in difference:
            wrong.append(f"{what}: {first} {difference}")
    assert not wrong, "\n".join(wrong)
    assert failing() == {}


@pytest.mark.parametrize("column", ["base", "rate"])
def test_the_tax_that_a_credit_note_gives_back_is_proved(acme, column):
    issue_note(Invoice.objects.get(workspace=acme), "3.00")
    assert failing() == {}

    with changed_by_force(f"UPDATE invoices_creditnotetax SET {column} = {column} + 0.01"):
        found = failing()

    assert next(iter(found)) == "taxes"
    assert found["taxes"].startswith("credit note and tax: ")


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
    with changed_by_force(
        "UPDATE usage_usagerecord SET unit_cost = 0.02 WHERE idempotency_key = 'plain'"
    ):
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
        lost=Decimal(0),
        amount_paid=Decimal("73.15"),
        is_settled=True,
        same_paid_at=True,
    )

    assert list(payment_flaws(invoice._replace(**facts))) == says
