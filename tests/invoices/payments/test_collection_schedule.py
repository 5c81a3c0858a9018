"""What the passing of days does to unpaid invoices, on each workspace's own calendar."""

import datetime as dt
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from pytest_django import Settings

from billing.models import Email, Workspace
from billing.services.workspaces import update_workspace
from invoices.models import Invoice, InvoiceEvent
from invoices.payments.services import settle
from invoices.payments.services.collection import collect
from tests.kit.invoices import known_card, make_invoice
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db

DUE = dt.date(2026, 11, 16)


@pytest.fixture(autouse=True)
def _schedule(settings: Settings) -> None:
    settings.COLLECTION_REMINDER_DAYS = [-3, 1, 7, 14]
    settings.SUSPEND_AFTER_DAYS = 14
    settings.SUSPEND_AFTER_FAILED_CHARGE_DAYS = 0


@pytest.fixture
def acme(db: None) -> Workspace:
    return make_workspace("Acme", timezone="UTC")


def sent(workspace: Workspace, *, month: int = 10) -> Invoice:
    """An invoice that waits to be paid by its due date, 16 November."""
    return make_invoice(workspace, month=month, collection_method="send_invoice", due_date=DUE)


def noon(month: int, day: int) -> dt.datetime:
    return dt.datetime(2026, month, day, 12, 0, tzinfo=dt.UTC)


def status(invoice: Invoice) -> tuple[str, str]:
    stored = Invoice.objects.select_related("workspace").get(pk=invoice.pk)
    return stored.status, stored.workspace.status


def subjects() -> list[str]:
    return list(Email.objects.order_by("requested_at").values_list("subject", flat=True))


def test_a_month_of_silence_from_the_reminder_to_the_suspension(acme: Workspace) -> None:
    invoice = sent(acme)
    told: list[tuple[str, list[str]]] = []
    for day in range(27):
        now = noon(11, 10) + dt.timedelta(days=day)
        before = len(subjects())
        collect(now=now)
        collect(now=now + dt.timedelta(hours=1))
        if new := subjects()[before:]:
            told.append((f"{now:%d %b}", new))
    assert told == [
        ("13 Nov", ["Invoice INV-2026-000001 is due on 16 November 2026"]),
        ("17 Nov", ["Invoice INV-2026-000001 is overdue"]),
        ("23 Nov", ["Invoice INV-2026-000001 is still unpaid"]),
        ("30 Nov", ["Acme is suspended"]),
    ]
    assert status(invoice) == ("overdue", "suspended")


def test_on_its_due_date_an_invoice_is_not_overdue_yet(acme: Workspace) -> None:
    invoice = sent(acme)
    collect(now=dt.datetime(2026, 11, 16, 23, 59, tzinfo=dt.UTC))
    assert status(invoice) == ("open", "active")
    collect(now=dt.datetime(2026, 11, 17, 0, 0, tzinfo=dt.UTC))
    assert status(invoice) == ("overdue", "active")


def test_the_due_date_is_on_the_workspaces_calendar(db: None) -> None:
    kathmandu = sent(make_workspace("Initech", timezone="Asia/Kathmandu"))
    new_york = sent(make_workspace("Globex", timezone="America/New_York"))
    collect(now=dt.datetime(2026, 11, 16, 18, 15, tzinfo=dt.UTC))
    assert status(kathmandu) == ("overdue", "active")
    assert status(new_york) == ("open", "active")
    collect(now=dt.datetime(2026, 11, 17, 4, 59, tzinfo=dt.UTC))
    assert status(new_york) == ("open", "active")
    collect(now=dt.datetime(2026, 11, 17, 5, 0, tzinfo=dt.UTC))
    assert status(new_york) == ("overdue", "active")


def test_a_sweep_that_was_down_makes_up_with_the_last_message_only(acme: Workspace) -> None:
    sent(acme)
    collect(now=noon(11, 17))
    collect(now=noon(12, 5))
    collect(now=noon(12, 6))
    assert subjects() == ["Invoice INV-2026-000001 is overdue", "Acme is suspended"]


def test_reminders_go_on_for_an_invoice_that_staff_do_not_suspend_for(
    acme: Workspace, settings: Settings
) -> None:
    settings.SUSPEND_AFTER_DAYS = 365
    sent(acme)
    for day in (17, 25, 26, 30):
        collect(now=noon(11, day))
    reminders = InvoiceEvent.objects.filter(kind="reminded").values_list("detail", flat=True)
    assert list(reminders) == ["7 days after the due date.", "14 days after the due date."]


def test_a_paid_invoice_is_left_alone(acme: Workspace) -> None:
    invoice = sent(acme)
    settle.mark_paid(invoice_id=invoice.pk, paid_at=noon(11, 12), now=noon(11, 12))
    for now in (noon(11, 13), noon(11, 17), noon(11, 30)):
        summary = collect(now=now)
        assert (summary.reminded, summary.overdue, summary.suspended) == (0, 0, 0)


def test_paying_after_the_suspension_brings_the_workspace_back(acme: Workspace) -> None:
    invoice = sent(acme)
    collect(now=noon(11, 17))
    collect(now=noon(11, 30))
    assert status(invoice) == ("overdue", "suspended")
    settle.mark_paid(invoice_id=invoice.pk, paid_at=noon(12, 1), now=noon(12, 1))
    assert status(invoice) == ("paid", "active")


def test_what_is_charged_automatically_is_not_announced_but_becomes_overdue(
    acme: Workspace,
) -> None:
    known_card(acme)
    invoice = make_invoice(acme, due_date=DUE)
    assert collect(now=noon(11, 13)).reminded == 0
    collect(now=noon(11, 17))
    assert status(invoice) == ("overdue", "active")


def test_where_there_is_nothing_to_charge_it_is_announced_with_what_to_do(
    acme: Workspace,
) -> None:
    make_invoice(acme, due_date=DUE)
    assert collect(now=noon(11, 13)).reminded == 1
    assert "There is no payment method on file" in Email.objects.get().text


def test_a_failed_charge_suspends_after_its_own_grace(acme: Workspace, settings: Settings) -> None:
    settings.SUSPEND_AFTER_FAILED_CHARGE_DAYS = 3
    invoice = make_invoice(acme, due_date=DUE)
    settle.note_payment_failure(
        invoice_id=invoice.pk, at=noon(11, 5), now=noon(11, 5), source="Stripe", key="1"
    )
    collect(now=noon(11, 7))
    assert status(invoice) == ("overdue", "active")
    collect(now=noon(11, 8))
    assert status(invoice) == ("overdue", "suspended")


def test_no_reminder_follows_on_the_heels_of_the_invoice_itself(acme: Workspace) -> None:
    invoice = sent(acme)
    Invoice.objects.filter(pk=invoice.pk).update(issued_at=noon(11, 13))
    assert collect(now=noon(11, 14)).reminded == 0


def test_an_invoice_that_is_not_in_stripe_yet_is_not_overdue(acme: Workspace) -> None:
    invoice = make_invoice(acme, status="draft", collection_method="send_invoice", due_date=DUE)
    collect(now=noon(12, 1))
    assert status(invoice) == ("draft", "active")


def test_staff_who_lift_a_suspension_are_not_overruled_the_next_hour(acme: Workspace) -> None:
    invoice = sent(acme)
    collect(now=noon(11, 17))
    collect(now=noon(11, 30))
    update_workspace(workspace_id=acme.pk, changes={"status": "active"}, now=noon(11, 30))
    collect(now=noon(12, 1))
    assert status(invoice) == ("overdue", "active")


def test_one_invoice_that_cannot_be_collected_does_not_stop_the_others(
    acme: Workspace,
) -> None:
    broken = sent(acme)
    globex = sent(make_workspace("Globex"))
    Workspace.objects.filter(pk=acme.pk).update(timezone="Nowhere/Land")
    out, errors = StringIO(), StringIO()
    with pytest.raises(CommandError, match="could not be collected"):
        call_command("collect_invoices", "--now", "2026-11-17T12:00:00Z", stdout=out, stderr=errors)
    assert out.getvalue() == "0 charged again, 0 reminded, 1 overdue, 0 suspended, 2 failed\n"
    assert str(broken.pk) in errors.getvalue()
    assert status(globex)[0] == "overdue"


def test_the_command_wants_a_time_with_an_offset(db: None) -> None:
    with pytest.raises(CommandError, match="offset"):
        call_command("collect_invoices", "--now", "2026-11-17T12:00:00")
