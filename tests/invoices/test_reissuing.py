"""A void invoice's usage is billed anew under a new number, or stays unbilled for a reason."""

import datetime as dt
from threading import Barrier, Thread
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection

from billing.errors import NotFound
from billing.models import Email
from billing.services.workspaces import update_workspace
from invoices.models import Invoice
from invoices.payments.services import settle
from invoices.pdf import render_invoice
from invoices.queries import invoice_of, records_behind
from invoices.services.closing import finalize_due_periods
from invoices.services.ledger import close_differences
from invoices.services.mailing import mail_issued_invoice
from invoices.services.reissuing import AlreadyReissued, NotVoid, leave_unbilled, reissue_invoice
from tests.kit.papers import words_of
from tests.kit.personas import make_workspace
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
NOVEMBER_9 = dt.datetime(2026, 11, 9, 12, tzinfo=dt.UTC)


@pytest.fixture
def acme():
    """October billed on INV-2026-000001: 49.00 and 12.336, which makes 61.34."""
    where = make_workspace("Acme")
    make_usage(where, OCTOBER_5, "1028", "0.01")
    finalize_due_periods(now=NOVEMBER_3)
    return where


def voided(workspace) -> Invoice:
    """As Stripe's event of a void made there, without saying what is to become of the usage."""
    invoice = Invoice.objects.get(workspace=workspace)
    settle.mark_void(invoice_id=invoice.pk, now=NOVEMBER_9, source="Stripe")
    return Invoice.objects.get(pk=invoice.pk)


def reissued(void: Invoice) -> Invoice:
    return reissue_invoice(invoice_id=void.pk, now=NOVEMBER_9, source="fay@finance.test")


def test_a_void_without_a_decision_is_found_by_the_ledger_check(acme):
    voided(acme)

    (difference,) = close_differences()
    assert difference.detail == (
        "closed with 61.3360000000 USD to pay, and INV-2026-000001 is void:"
        " issue it anew or say why not"
    )


def test_the_same_usage_is_billed_under_a_new_number(acme):
    void = voided(acme)

    invoice = reissued(void)

    assert (invoice.number, invoice.replaces, invoice.status) == ("INV-2026-000002", void, "draft")
    assert (str(invoice.amount), str(invoice.exact_amount)) == ("61.340", "61.3360000000")
    assert invoice.due_date == dt.date(2026, 11, 23)
    lines = [(item.description, str(item.amount)) for item in invoice.items.all()]
    assert lines == [("Monthly Subscription", "49.000"), ("Call Minutes", "12.340")]
    assert [records_behind(item).count() for item in invoice.items.all()] == [0, 1]
    assert invoice_of(void.billing_period) == invoice
    assert close_differences() == []


def test_it_is_addressed_as_the_workspace_is_billed_today(acme):
    void = voided(acme)
    update_workspace(workspace_id=acme.pk, changes={"billing_name": "Acme Holding"}, now=NOVEMBER_9)

    invoice = reissued(void)

    assert (void.bill_to_name, invoice.bill_to_name) == ("Acme", "Acme Holding")


def test_issuing_it_again_answers_the_same_invoice(acme):
    void = voided(acme)

    assert reissued(void) == reissued(void)
    assert Invoice.objects.count() == 2
    assert list(void.events.values_list("kind", "detail")) == [
        ("voided", ""),
        ("reissued", "As INV-2026-000002."),
    ]


def test_papers_and_mail_name_each_other(acme):
    void = voided(acme)
    invoice = reissued(void)
    void.refresh_from_db()

    assert "Replaces INV-2026-000001" in words_of(render_invoice(invoice))
    assert "Invoice INV-2026-000002 replaces it." in words_of(
        render_invoice(Invoice.objects.get(pk=void.pk))
    )
    mail_issued_invoice(invoice_id=invoice.pk, now=NOVEMBER_9)
    email = Email.objects.get(kind="invoice_issued")
    assert "It replaces invoice INV-2026-000001, which is void." in email.text


def test_the_replacement_can_be_voided_and_replaced_too(acme):
    second = reissued(voided(acme))
    settle.mark_void(invoice_id=second.pk, now=NOVEMBER_9)

    third = reissued(second)

    assert third.number == "INV-2026-000003"
    assert close_differences() == []


def test_usage_stays_unbilled_for_a_reason(acme):
    void = voided(acme)

    leave_unbilled(
        invoice_id=void.pk, reason="Test calls of ours", now=NOVEMBER_9, source="fay@finance.test"
    )

    assert close_differences() == []
    event = void.events.get(kind="left_unbilled")
    assert (event.detail, event.source) == ("Test calls of ours", "fay@finance.test")


def test_a_decision_not_to_bill_can_be_taken_back(acme):
    void = voided(acme)
    leave_unbilled(invoice_id=void.pk, reason="Test calls", now=NOVEMBER_9, source="fay")

    reissued(void)

    void.refresh_from_db()
    assert void.unbilled_reason == ""
    with pytest.raises(AlreadyReissued, match="INV-2026-000002 bills what INV-2026-000001 did"):
        leave_unbilled(invoice_id=void.pk, reason="Test calls", now=NOVEMBER_9, source="fay")


def test_what_is_not_void_is_not_issued_anew(acme):
    invoice = Invoice.objects.get()

    with pytest.raises(NotVoid):
        reissued(invoice)
    with pytest.raises(NotVoid):
        leave_unbilled(invoice_id=invoice.pk, reason="No", now=NOVEMBER_9, source="fay")
    with pytest.raises(NotFound):
        reissue_invoice(invoice_id=uuid4(), now=NOVEMBER_9, source="fay")


def test_a_period_has_one_live_invoice(acme):
    invoice = Invoice.objects.get()
    invoice.pk, invoice.number = uuid4(), "INV-2026-000002"

    with pytest.raises(IntegrityError, match="one_live_invoice_per_period"):
        invoice.save(force_insert=True)


@pytest.mark.django_db(transaction=True)
def test_two_at_once_issue_one(acme):
    void = voided(acme)
    ready, answers = Barrier(2), []

    def issue() -> None:
        ready.wait()
        answers.append(reissued(void).number)
        connection.close()

    threads = [Thread(target=issue) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert answers == ["INV-2026-000002"] * 2
