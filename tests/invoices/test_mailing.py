"""The e-mail that carries a new invoice: once, with its PDF, even when its task is lost."""

import datetime as dt
from uuid import uuid4

import pytest

from billing.models import Email
from invoices.payments.services.settle import mark_overdue
from invoices.services.mailing import mail_issued_invoice, unmailed_invoices
from invoices.signals import invoices_issued
from invoices.tasks import mail_unmailed_invoices
from tests.kit.invoices import NOVEMBER_2, make_addressed_invoice

pytestmark = pytest.mark.django_db

AN_HOUR_LATER = NOVEMBER_2 + dt.timedelta(hours=1)


def test_goes_to_the_billing_address_with_the_pdf():
    invoice = make_addressed_invoice()

    assert mail_issued_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)

    email = Email.objects.get()
    assert email.recipients == ["billing@acme.test"]
    assert email.subject == "Invoice INV-2026-000042 from Voice Platform Inc."
    assert email.workspace_id == invoice.workspace_id
    for text in (email.text, email.html):
        assert "1 October – 31 October 2026" in text
        assert "$58.10" in text
        assert "Please pay by 16 November 2026." in text
    attachment = email.attachments.get()
    assert attachment.filename == "INV-2026-000042.pdf"
    assert bytes(attachment.content).startswith(b"%PDF-")


def test_is_queued_once_however_often_it_is_asked_for():
    invoice = make_addressed_invoice()

    assert mail_issued_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    assert not mail_issued_invoice(invoice_id=invoice.pk, now=AN_HOUR_LATER)

    assert Email.objects.count() == 1


def test_names_are_escaped_in_html_and_left_alone_in_text():
    invoice = make_addressed_invoice()
    invoice.workspace.name = "Acme <b>& Sons</b>"
    invoice.workspace.save()

    mail_issued_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)

    email = Email.objects.get()
    assert "Acme <b>& Sons</b>" in email.text
    assert "Acme &lt;b&gt;&amp; Sons&lt;/b&gt;" in email.html
    assert "<b>& Sons" not in email.html


def test_issuing_starts_the_task_after_the_commit(django_capture_on_commit_callbacks, settings):
    settings.CELERY_TASK_ALWAYS_EAGER = True
    invoice = make_addressed_invoice()

    with django_capture_on_commit_callbacks() as callbacks:
        invoices_issued.send(type(invoice), invoice_ids=[invoice.pk], now=NOVEMBER_2)

    # One message starts the mails, another the Stripe sync.
    assert len(callbacks) == 2
    assert not Email.objects.exists()


def test_a_lost_task_is_found_by_the_sweep():
    lost = make_addressed_invoice()

    assert list(unmailed_invoices(now=AN_HOUR_LATER)) == [lost.pk]

    mail_issued_invoice(invoice_id=lost.pk, now=AN_HOUR_LATER)
    assert list(unmailed_invoices(now=AN_HOUR_LATER)) == []


@pytest.mark.parametrize("age", [dt.timedelta(minutes=5), dt.timedelta(days=8)])
def test_the_sweep_leaves_the_newest_to_their_tasks_and_old_ones_alone(age):
    make_addressed_invoice()

    assert list(unmailed_invoices(now=NOVEMBER_2 + age)) == []


def test_the_sweep_task_mails_what_is_due(time_machine):
    invoice = make_addressed_invoice()
    time_machine.move_to(AN_HOUR_LATER, tick=False)

    mail_unmailed_invoices()

    assert Email.objects.get().key == f"invoice-issued:{invoice.pk}"


def test_an_unknown_invoice_is_an_error_and_queues_nothing():
    with pytest.raises(type(make_addressed_invoice()).DoesNotExist):
        mail_issued_invoice(invoice_id=uuid4(), now=NOVEMBER_2)
    assert not Email.objects.exists()


def test_an_overdue_invoice_is_mailed_again_with_its_pdf():
    invoice = make_addressed_invoice()

    mark_overdue(
        invoice_id=invoice.pk, now=NOVEMBER_2 + dt.timedelta(days=20), reason="past_due", source=""
    )

    email = Email.objects.get(kind="invoice_overdue")
    assert email.subject == "Invoice INV-2026-000042 is overdue"
    assert "by the due date" in email.text
    assert email.attachments.get().filename == "INV-2026-000042.pdf"
