"""The record of a month: two people, as it stood, and what has changed since."""

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from threading import Barrier

import pytest
import time_machine
from django.contrib.auth.models import Group
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.urls import reverse

from analytics.finance.attention import attention_items
from analytics.finance.attention_rows import Moment
from billing.errors import BillingError, Invalid, SecondPersonNeeded
from billing.models import AuditEntry, User
from invoices.models import Invoice
from invoices.payments.models import MonthRecord
from invoices.payments.services import month_records
from tests.kit.credit_notes import issue_note
from tests.kit.invoices import make_invoice
from tests.kit.personas import NOW, make_workspace, signed_in_client
from tests.kit.staff import finance_client, viewer_client

OCTOBER_1 = dt.date(2026, 10, 1)
DONE = [("Closed", "done", "2 of 2 periods")]
OPEN = [*DONE, ("Paid", "open", "1 of 2 invoices")]


def signed(
    steps=DONE, *, by: str = "fay@finance.test", reason: str = "", at: dt.datetime = NOW
) -> MonthRecord:
    snapshot = month_records.snapshot_of(OCTOBER_1, steps)
    return month_records.sign_month(
        month=OCTOBER_1,
        snapshot=snapshot,
        seen=month_records.seen_of(snapshot),
        reason=reason,
        by=by,
        now=at,
    )


def confirmed(record: MonthRecord, by: str = "finn@finance.test") -> MonthRecord:
    return month_records.confirm_month(
        record_id=record.pk, seen=record.digest, by=by, now=NOW + dt.timedelta(hours=1)
    )


@pytest.mark.django_db
def test_the_sums_are_by_currency_and_without_what_is_void():
    issue_note(make_invoice(make_workspace("Acme")))
    yen = make_invoice(make_workspace("Globex", currency="JPY"), amount="7000", status="paid")
    # Paid before: it lowers nothing that is open, and is credited all the same.
    issue_note(yen, "500", rest_to="credit")
    Invoice.objects.filter(pk=make_invoice(make_workspace("Initech")).pk).update(
        status="void", voided_at=NOW
    )
    assert month_records.sums_of_month(OCTOBER_1) == [
        {
            "currency": "JPY",
            "invoices": 1,
            "invoiced": "7000.000",
            "tax": "0.000",
            "credited": "500.000",
            "paid": "7000.000",
            "open": "0.000",
        },
        {
            "currency": "USD",
            "invoices": 1,
            "invoiced": "61.340",
            "tax": "0.000",
            "credited": "20.000",
            "paid": "0.000",
            "open": "41.340",
        },
    ]


@pytest.mark.django_db
def test_an_open_step_wants_a_reason_and_the_same_person_confirms_nothing():
    with pytest.raises(Invalid, match="say why"):
        signed(OPEN)
    with pytest.raises(month_records.MonthChanged):
        month_records.sign_month(
            month=OCTOBER_1,
            snapshot=month_records.snapshot_of(OCTOBER_1, DONE),
            seen="of another page",
            reason="",
            by="fay@finance.test",
            now=NOW,
        )
    record = signed(OPEN, reason="Globex pays by transfer")
    with pytest.raises(SecondPersonNeeded):
        confirmed(record, by="Fay@finance.test")
    with pytest.raises(IntegrityError, match="two_people"), transaction.atomic():
        MonthRecord.objects.filter(pk=record.pk).update(
            confirmed_by="FAY@finance.test", confirmed_at=NOW
        )
    assert confirmed(record).is_confirmed
    with pytest.raises(month_records.MonthClosed):
        signed()


@pytest.mark.django_db
def test_what_was_signed_is_never_changed_and_only_the_last_one_is_confirmed():
    first = signed()
    anew = signed(by="finn@finance.test", at=NOW + dt.timedelta(minutes=1))
    for change in ({"reason": "else"}, {"digest": "else"}):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
            MonthRecord.objects.filter(pk=first.pk).update(**change)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        anew.delete()
    with pytest.raises(month_records.MonthChanged):
        confirmed(first)
    page = reverse("finance:month_record", args=[anew.pk])
    assert (1, page) in [(item.count, item.url) for item in attention_items(Moment.at(NOW))]
    confirmed(anew, by="third@finance.test")
    assert page not in [item.url for item in attention_items(Moment.at(NOW))]
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        MonthRecord.objects.filter(pk=anew.pk).update(confirmed_by="fourth@finance.test")
    entry = AuditEntry.objects.filter(table="payments_monthrecord", operation="update").get()
    assert entry.changes["confirmed_by"] == ["", "third@finance.test"]


@pytest.mark.django_db(transaction=True)
def test_of_two_who_confirm_at_once_one_does():
    record, start = signed(), Barrier(2)

    def confirm(by: str) -> str:
        try:
            start.wait(10)
            return confirmed(record, by=by).confirmed_by
        except BillingError as error:
            return error.code
        finally:
            connection.close()

    people = ["finn@finance.test", "flo@finance.test"]
    with ThreadPoolExecutor(2) as threads:
        said = sorted(threads.map(confirm, people))
    record.refresh_from_db()
    assert said == sorted([record.confirmed_by, "month_closed"])
    assert record.confirmed_by in people


@pytest.mark.django_db
def test_a_later_credit_note_leaves_the_record_and_is_named():
    invoice = make_invoice(make_workspace("Acme"))
    record = confirmed(signed(at=dt.datetime(2026, 11, 3, tzinfo=dt.UTC)))
    issue_note(invoice)

    changes = month_records.changed_sums(record)
    assert [tuple(change) for change in changes] == [
        ("USD", "credited", Decimal("0.000"), Decimal("20.000")),
        ("USD", "open", Decimal("61.340"), Decimal("41.340")),
    ]
    text = finance_client().get(reverse("finance:month_record", args=[record.pk])).content.decode()
    for said in ("Closed by two people", "$41.34", "INV-2026-000001", "Credit note"):
        assert said in text
    assert "is not that of this record" not in text


@pytest.mark.django_db
@time_machine.travel("2026-11-22T09:00:00Z", tick=False)
def test_finance_signs_on_the_page_and_a_colleague_confirms():
    make_invoice(make_workspace("Acme"))
    address, sign = reverse("finance:month_end"), reverse("finance:sign_month")
    fay = finance_client()
    page = fay.get(address)
    seen = {"seen": page.context["seen"]}
    assert "Sign off October 2026" in page.content.decode()
    assert "say why" in fay.post(sign, seen, follow=True).content.decode()
    assert "look again" in fay.post(sign, {"seen": "0"}, follow=True).content.decode()
    assert MonthRecord.objects.count() == 0
    fay.post(sign, seen | {"reason": "Acme pays later"})
    record = MonthRecord.objects.get()
    assert record.digest == month_records.digest_of(record.snapshot)
    assert [record.month, record.signed_by] == [OCTOBER_1, "fay@finance.test"]

    confirm = reverse("finance:confirm_month", args=[record.pk])
    said = {"digest": record.digest}
    assert "Another person" in fay.post(confirm, said, follow=True).content.decode()
    assert viewer_client().post(confirm, said).status_code == 403
    finn = User.objects.create_user("finn@finance.test", is_staff=True)
    finn.groups.add(Group.objects.get(name="finance"))
    colleague = signed_in_client(finn)
    assert "Look at it and confirm it" in colleague.get(address).content.decode()
    assert "closed by two people" in colleague.post(confirm, said, follow=True).content.decode()
    assert "Sign off October" not in colleague.get(address).content.decode()
    listed = colleague.get(reverse("finance:month_records")).content.decode()
    assert "October 2026" in listed
    assert "Acme pays later" in listed
