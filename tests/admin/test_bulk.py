"""Actions on several rows: first what each will meet, then they are done, and nothing else."""

import pytest
from django.contrib.admin.models import LogEntry
from django.urls import reverse

from billing.models import AuditEntry, Email, Workspace
from invoices.models import CreditNote, Invoice
from invoices.payments.models import StripeSync
from invoices.services.mailing import mail_issued_invoice
from tests.kit.credit_notes import draft_note
from tests.kit.invoices import make_invoice
from tests.kit.personas import NOW, make_workspace
from tests.kit.staff import finance_client, page_after, press, previewed

pytestmark = pytest.mark.django_db
INVOICES = reverse("admin:invoices_invoice_changelist")
NOTES = reverse("admin:invoices_creditnote_changelist")
WORKSPACES = reverse("admin:billing_workspace_changelist")
WORK = reverse("finance:several_works")


def test_what_would_come_of_all_together_is_shown_and_nothing_is_done_before() -> None:
    """Each alone could be issued: together they are more than the invoice."""
    invoice = make_invoice(make_workspace("Acme"), amount="50.00", status="open")
    first, second = draft_note(invoice, "30.00"), draft_note(invoice, "30.00", key="second")
    client = finance_client()

    page, confirm = previewed(client, NOTES, "issue_selected", [first, second])

    assert "1 of 2: $30.00" in page
    assert "$30.00 taken off INV-2026-000001" in page
    assert "Only $20.00 of INV-2026-000001 is left" in page
    assert not CreditNote.objects.exclude(status="draft").exists()
    assert not Email.objects.exists()
    confirm()
    # Whichever comes first in the list.
    assert sorted(CreditNote.objects.values_list("status", flat=True)) == ["draft", "issued"]


def test_what_has_changed_meanwhile_is_shown_again() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    client = finance_client()
    page, confirm = previewed(client, WORKSPACES, "suspend_selected", [acme, globex])
    assert "2 of 2" in page
    globex.status = "suspended"
    globex.suspension_reason = "payment"
    globex.save()

    again = confirm(reason="Fraud")

    assert "Look again" in again.content.decode()
    acme.refresh_from_db()
    assert acme.status == "active"
    _, confirm = previewed(client, WORKSPACES, "suspend_selected", [acme, globex])
    confirm(reason="Fraud")
    acme.refresh_from_db()
    globex.refresh_from_db()
    assert (acme.suspension_reason, globex.suspension_reason) == ("manual", "payment")
    entry = AuditEntry.objects.filter(object_id=str(acme.pk), changes__has_key="status").latest(
        "at"
    )
    assert (entry.reason, LogEntry.objects.count()) == ("Fraud", 1)


def test_what_the_form_lacks_is_asked_for_and_nothing_is_done() -> None:
    acme = make_workspace("Acme")
    owed = make_invoice(acme, month=8, amount="40.00", status="overdue")
    paid = make_invoice(acme, month=9, amount="7.00", status="paid")
    client = finance_client()

    page, confirm = previewed(client, INVOICES, "write_selected_off", [owed, paid])
    assert "$40.00 is no longer asked for" in page
    assert "It is paid." in page
    refused = confirm(reason="", on="2026-11-20")

    assert "This field is required" in refused.content.decode()
    assert not owed.actions.exists()
    confirm(reason="Insolvent", on="2026-11-20")
    assert (owed.actions.get().reason, paid.actions.count()) == ("Insolvent", 0)


def test_invoices_are_mailed_again_to_whom_they_went() -> None:
    acme = make_workspace("Acme")
    mailed, never = (make_invoice(acme, month=month) for month in (8, 9))
    void = make_invoice(acme, month=7, status="void")
    Workspace.objects.update(billing_email="bills@acme.test")
    Invoice.objects.update(bill_to_email="Bills@acme.test")
    mail_issued_invoice(invoice_id=mailed.pk, now=NOW)
    Email.objects.update(status="done", finished_at=NOW)
    client = finance_client()

    page, confirm = previewed(client, INVOICES, "mail_selected_again", [mailed, never, void])
    assert "It goes to Bills@acme.test." in page
    assert "It is void." in page
    confirm()

    assert [(each.recipients, each.status) for each in Email.objects.all()] == [
        (["Bills@acme.test"], "waiting"),
        (["Bills@acme.test"], "waiting"),
    ]


def test_a_mail_that_went_to_a_wrong_address_goes_to_the_mended_one_alone() -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme)
    Invoice.objects.update(bill_to_email="wrong@acme.test")
    Workspace.objects.update(billing_email="right@acme.test")
    mail_issued_invoice(invoice_id=invoice.pk, now=NOW)
    client = finance_client()

    for _ in range(2):
        Email.objects.update(status="done", finished_at=NOW)
        page, confirm = previewed(client, INVOICES, "mail_selected_again", [invoice])
        assert "It goes to right@acme.test." in page
        confirm()
        # The second time it is the same mail again.
        assert {each.recipients[0]: each.status for each in Email.objects.all()} == {
            "wrong@acme.test": "done",
            "right@acme.test": "waiting",
        }
        assert Email.objects.count() == 2
    assert Email.objects.get(status="waiting").attachments.count() == 1

    Email.objects.update(status="done", finished_at=NOW)
    answer = press(client, "invoices_invoice", "mail_it_again", invoice.pk)
    assert "It is mailed again, to right@acme.test." in page_after(client, answer)
    assert [each.recipients for each in Email.objects.filter(status="waiting")] == [
        ["right@acme.test"]
    ]


def test_waiting_work_of_several_kinds_is_tried_again_or_given_up() -> None:
    acme = make_workspace("Acme")
    common = {"status": "blocked", "blocked_reason": "refused", "attempts": 3}
    email = Email.objects.create(
        key="old", kind="limit", recipients=["a@acme.test"], subject="Limit", text="x", **common
    )
    sync = StripeSync.objects.create(
        invoice=make_invoice(acme, status="draft"), last_error="Invalid currency: x1x", **common
    )
    client = finance_client()
    chosen = {"work": [f"billing.email/{email.pk}", f"payments.stripesync/{sync.pk}"]}

    page, _ = previewed(client, WORK, "", [], act="give-up", **chosen)
    assert "1 of 2" in page
    assert "Work of this kind cannot be given up" in page
    page, confirm = previewed(client, WORK, "", [], act="try-again", **chosen)
    assert "Refused. Tried 3 times, last: Invalid currency: x1x" in page
    email.refresh_from_db()
    assert email.status == "blocked"

    confirm()
    email.refresh_from_db()
    sync.refresh_from_db()
    assert (email.status, sync.status) == ("waiting", "waiting")
    assert client.post(WORK, {"act": "try-again", "work": "billing.email/x"}).status_code == 404


def test_no_more_than_a_person_can_read_are_done_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("billing.admin.bulk.MAX_ROWS", 1)
    both = [make_workspace("Acme"), make_workspace("Globex")]
    answer = finance_client().post(
        WORKSPACES,
        {"action": "suspend_selected", "_selected_action": [each.pk for each in both]},
        follow=True,
    )
    assert "At most 1 at once: nothing was done" in answer.content.decode()
