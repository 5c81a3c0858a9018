"""Charges, credits and discounts by hand: on the next bill once, or on one of their own."""

import datetime as dt
from decimal import Decimal
from threading import Barrier, Thread

import pytest
from django.db import IntegrityError, connection, transaction

from billing.errors import BillingError
from billing.models import BillingPeriod, ManualItem, PeriodCharge, Workspace
from billing.queries import with_totals
from invoices.models import Invoice
from invoices.services import manual_items
from invoices.services.closing import finalize_due_periods, finalize_period
from invoices.services.ledger import close_differences
from invoices.services.manual_lines import ManualLine
from tests.kit.personas import make_period, make_workspace
from tests.kit.taxes import make_customer, register

pytestmark = pytest.mark.django_db
OCTOBER_5 = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)
NOVEMBER_3 = dt.datetime(2026, 11, 3, 12, tzinfo=dt.UTC)
DECEMBER_3 = dt.datetime(2026, 12, 3, 12, tzinfo=dt.UTC)


def add(workspace, kind="charge", net="20.00", *, now=OCTOBER_5, by="ann@finance.test", **facts):
    # Lines come in the order in which they were added.
    now += dt.timedelta(microseconds=ManualItem.objects.count())
    line = ManualLine(kind, facts.pop("description", "By hand"), Decimal(net))
    item, _ = manual_items.add_manual_item(
        workspace_id=workspace.pk, line=line, reason="Ticket 4711", asked_by=by, now=now, **facts
    )
    return item


def close(workspace, now=NOVEMBER_3):
    assert finalize_due_periods(now=now, workspace_id=workspace.pk).failed == []


def lines(invoice):
    return [(item.description, f"{item.amount:.2f}") for item in invoice.items.all()]


def refused(call, code):
    with pytest.raises(BillingError) as raised:
        call()
    assert raised.value.code == code
    return raised.value


def test_a_charge_and_a_credit_are_lines_of_the_next_invoice():
    acme = make_workspace()
    period = make_period(acme, OCTOBER_5)
    fee = add(acme, description="Set-up fee", net="100.00")
    credit = add(acme, "credit", description="Goodwill", net="20.00")

    live = with_totals(BillingPeriod.objects.filter(pk=period.pk)).get()
    assert (live.live_manual, live.live_total) == (80, 129)
    close(acme)

    invoice = Invoice.objects.get(workspace=acme)
    assert lines(invoice) == [
        ("Monthly Subscription", "49.00"),
        ("Set-up fee", "100.00"),
        ("Goodwill", "-20.00"),
    ]
    assert invoice.amount == 129
    for item in (fee, credit):
        item.refresh_from_db()
        assert (item.status, item.period_id) == ("billed", period.pk)
        assert item.invoice_items.get().invoice_id == invoice.pk
    period.refresh_from_db()
    assert period.manual_items == 80
    assert close_differences() == []


def test_what_credits_leave_of_an_invoice_is_carried_to_the_next():
    acme = make_workspace()
    make_period(acme, OCTOBER_5)
    add(acme, "credit", net="60.00")

    close(acme)
    assert not Invoice.objects.filter(workspace=acme).exists()

    close(acme, DECEMBER_3)
    invoice = Invoice.objects.get(workspace=acme)
    assert lines(invoice) == [
        ("Monthly Subscription", "49.00"),
        ("Credit brought forward", "-11.00"),
    ]
    assert close_differences() == []


def test_an_item_of_a_month_waits_for_it_and_one_that_was_late_goes_with_the_next():
    acme = make_workspace()
    make_period(acme, OCTOBER_5)
    add(acme, description="In November", net="5.00", month=dt.date(2026, 11, 1))
    later = OCTOBER_5 + dt.timedelta(hours=1)
    october = dt.date(2026, 10, 1)
    late = add(acme, description="October's", net="600.00", month=october, now=later)

    close(acme)
    assert lines(Invoice.objects.get(workspace=acme)) == [("Monthly Subscription", "49.00")]

    manual_items.approve(item_id=late.pk, by="bob@finance.test", now=NOVEMBER_3)
    close(acme, DECEMBER_3)
    november = Invoice.objects.order_by("-issued_at").first()
    assert lines(november)[1:] == [("In November", "5.00"), ("October's", "600.00")]


def test_a_large_item_waits_for_a_second_person(settings):
    settings.MANUAL_ITEM_APPROVAL_ABOVE = 100
    acme = make_workspace()
    make_period(acme, OCTOBER_5)
    assert add(acme, net="100.00").status == "approved"
    item = add(acme, net="100.01", description="Training")
    assert item.status == "waiting"

    def approve(by):
        return manual_items.approve(item_id=item.pk, by=by, now=OCTOBER_5)

    refused(lambda: approve("ann@finance.test"), "second_person_needed")
    close(acme)
    assert "Training" not in dict(lines(Invoice.objects.get(workspace=acme)))

    approved = approve("bob@finance.test")
    assert (approved.status, approved.approved_by) == ("approved", "bob@finance.test")
    refused(lambda: approve("bob@finance.test"), "not_waiting")


def test_an_item_is_taken_back_until_it_is_billed():
    acme = make_workspace()
    make_period(acme, OCTOBER_5)
    item, kept = add(acme, net="5.00"), add(acme, net="7.00")

    def cancel(each):
        return manual_items.cancel(
            item_id=each.pk, reason="A mistake", by="bob@finance.test", now=OCTOBER_5
        )

    assert cancel(item).status == cancel(item).status == "cancelled"
    close(acme)
    assert Invoice.objects.get(workspace=acme).amount == 56
    refused(lambda: cancel(kept), "already_billed")


@pytest.mark.parametrize(
    ("net", "facts", "field", "code"),
    [
        ("0", {}, "net", "too_small"),
        ("-1", {}, "net", "too_small"),
        ("1.005", {}, "net", "not_in_charge_steps"),
        ("1", {"month": dt.date(2026, 10, 2)}, "month", "not_the_first_of_a_month"),
        ("1", {"month": dt.date(2026, 9, 1)}, "month", "in_the_past"),
        ("1", {"description": ""}, "description", "blank"),
    ],
)
def test_what_cannot_be_billed_is_refused_by_its_field(net, facts, field, code):
    acme = make_workspace()
    make_period(acme, OCTOBER_5)

    error = refused(lambda: add(acme, net=net, **facts), code)

    assert error.field == field
    assert not ManualItem.objects.exists()


def test_what_no_bill_would_ever_say_is_refused():
    acme = make_workspace()
    make_period(acme, OCTOBER_5)
    Workspace.objects.filter(pk=acme.pk).update(status="closed")
    add(acme, description="Training", net="5.00")  # its last month is still to be billed
    refused(lambda: add(acme, month=dt.date(2026, 11, 1)), "no_next_bill")
    large = add(acme, net="900.00", month=dt.date(2026, 10, 1))

    close(acme)

    assert ("Training", "5.00") in lines(Invoice.objects.get(workspace=acme))
    refused(lambda: add(acme, now=NOVEMBER_3), "no_next_bill")
    refused(
        lambda: manual_items.approve(item_id=large.pk, by="bob@finance.test", now=NOVEMBER_3),
        "no_next_bill",
    )
    large.refresh_from_db()
    assert (ManualItem.objects.count(), large.status) == (2, "waiting")


def test_the_same_request_again_is_one_item():
    acme = make_workspace()
    first, again = (add(acme, idempotency_key="k1") for _ in range(2))

    assert first.pk == again.pk
    assert ManualItem.objects.count() == 1
    refused(lambda: add(acme, net="21.00", idempotency_key="k1"), "idempotency_key_reused")
    assert add(make_workspace("Globex"), idempotency_key="k1").pk != first.pk


def test_an_item_is_charged_once_by_constraint():
    acme = make_workspace()
    make_period(acme, OCTOBER_5)
    add(acme)
    close(acme)
    charge = PeriodCharge.objects.get(kind="manual")
    charge.pk, charge.position = None, 9
    charge._state.adding = True

    with pytest.raises(IntegrityError, match="manual_item_is_charged_once"), transaction.atomic():
        charge.save()


@pytest.mark.django_db(transaction=True)
def test_an_item_that_races_the_close_is_billed_once_or_next_month():
    acme = make_workspace()
    period = make_period(acme, OCTOBER_5)
    start = Barrier(2)

    def run(what):
        start.wait()
        what()
        connection.close()

    threads = [
        Thread(target=run, args=[lambda: add(acme, now=NOVEMBER_3)]),
        Thread(target=run, args=[lambda: finalize_period(period_id=period.pk, now=NOVEMBER_3)]),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    close(acme, DECEMBER_3)

    assert PeriodCharge.objects.filter(kind="manual").count() == 1
    assert close_differences() == []


def one_off(workspace, *items, **facts):
    return manual_items.request_one_off(
        workspace_id=workspace.pk,
        lines=[ManualLine(kind, text, Decimal(net)) for kind, text, net in items],
        reason="Contract",
        asked_by="ann@finance.test",
        now=OCTOBER_5,
        **facts,
    )


def test_a_one_off_invoice_is_issued_at_once_with_its_tax():
    register()
    acme = make_customer()
    period = make_period(acme, OCTOBER_5)

    made = one_off(acme, ("charge", "Set-up fee", "250.00"), ("discount", "Friends", "50.00"))

    invoice = made.invoice
    assert invoice is not None
    assert (invoice.kind, invoice.billing_period_id, invoice.label) == ("one_off", None, "One-off")
    assert (invoice.net, invoice.tax, invoice.amount) == (200, 38, 238)
    assert lines(invoice) == [("Set-up fee", "250.00"), ("Friends", "-50.00")]
    assert {item.status for item in made.items} == {"billed"}
    close(acme)
    assert Invoice.objects.get(billing_period=period).net == 49
    assert close_differences() == []


def test_a_large_one_off_invoice_is_issued_by_who_approves_it():
    acme = make_workspace()
    made = one_off(acme, ("charge", "Set-up fee", "900.00"), ("charge", "Training", "10.00"))
    assert made.invoice is None

    manual_items.approve(item_id=made.items[1].pk, by="bob@finance.test", now=OCTOBER_5)

    assert Invoice.objects.get(workspace=acme).amount == 910
    again = one_off(acme, ("charge", "Set-up fee", "900.00"), ("charge", "Training", "10.00"))
    assert again.invoice is None  # without a key it is another request


def test_a_one_off_invoice_asks_for_something():
    acme = make_workspace()
    error = refused(lambda: one_off(acme, ("credit", "Back", "5.00")), "nothing_to_pay")
    assert error.field == "items"
    refused(lambda: one_off(acme, ("charge", "Half a cent", "0.005")), "not_in_charge_steps")
    assert not ManualItem.objects.exists()


def test_the_same_one_off_request_again_is_one_invoice():
    acme = make_workspace()
    fee = ("charge", "Set-up fee", "250.00")
    first, again = (one_off(acme, fee, idempotency_key="k1") for _ in range(2))

    assert (first.is_new, again.is_new) == (True, False)
    assert first.invoice == again.invoice
    assert Invoice.objects.count() == 1
