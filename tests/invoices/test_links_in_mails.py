"""Every link in every e-mail and paper leads somewhere: each is opened by who gets it."""

import datetime as dt
import html
import inspect
import io
import re
import urllib.request
from collections.abc import Callable, Iterable
from decimal import Decimal

import pytest
from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Model
from django.test import Client
from pypdf import PdfReader

from billing.models import Email, Workspace
from billing.services.passwords import mail_password_link
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import CreditNote, Invoice
from invoices.payments.models import ReconciliationRun, StripeCustomer
from invoices.payments.services import notifications, refused_details
from invoices.payments.services.credit_notes import notifications as of_credit_notes
from invoices.payments.services.stripe_sync import sync_invoice
from invoices.services.mailing import mail_issued_invoice
from tests.kit.credit_notes import draft_note, issue_note
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.personas import NOW, make_workspace, member_client
from tests.kit.staff import finance_client
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db
_LINK = re.compile(r'href="([^"]+)"|(https?://[^\s"<>]+)')


@pytest.fixture
def acme(settings) -> Workspace:
    settings.FINANCE_EMAILS = ["finance@platform.test"]
    return make_workspace("Acme", billing_email="billing@acme.test")


def links_of(email: Email) -> set[str]:
    found = _LINK.findall(f"{email.html}\n{email.text}")
    links = {html.unescape(in_html or in_text) for in_html, in_text in found}
    for attachment in email.attachments.all():
        for page in PdfReader(io.BytesIO(bytes(attachment.content))).pages:
            for note in page.get("/Annots") or ():
                links.add(note.get_object()["/A"]["/URI"])
    return links


def dead_links(reader: Client, emails: Iterable[Email]) -> list[str]:
    """Those of the links that do not lead to a page, as `reader` sees it."""
    dead = []
    for link in sorted({link for email in emails for link in links_of(email)}):
        if link.startswith(settings.SITE_URL):
            path = link.removeprefix(settings.SITE_URL) or "/"
            status = reader.get(path, follow=True).status_code
        else:
            with urllib.request.urlopen(link) as answer:
                status = answer.status
        if status != 200:
            dead.append(f"{link}: {status}")
    return dead


# What each notification is told about; the keys are checked to be all of them.
TO_OWNERS: dict[str, Callable[[Invoice], object]] = {
    "tell_paid": lambda invoice: notifications.tell_paid(invoice, now=NOVEMBER_2),
    "tell_due_soon": lambda invoice: notifications.tell_due_soon(
        invoice, key="reminder:-3", now=NOVEMBER_2
    ),
    "tell_still_unpaid": lambda invoice: notifications.tell_still_unpaid(
        invoice, key="reminder:7", now=NOVEMBER_2
    ),
    "tell_overdue": lambda invoice: notifications.tell_overdue(
        invoice, payment_failed=True, suspended=True, now=NOVEMBER_2
    ),
    "tell_carried_over": lambda invoice: notifications.tell_carried_over(invoice, now=NOVEMBER_2),
    "tell_void": lambda invoice: notifications.tell_void(
        invoice, replacement=invoice, now=NOVEMBER_2
    ),
    "tell_credit_note": lambda invoice: of_credit_notes.tell_credit_note(
        issue_note(invoice, "1.00"), now=NOVEMBER_2
    ),
    "tell_open_again": lambda invoice: notifications.tell_open_again(
        invoice, amount=invoice.amount, key="du_1", now=NOVEMBER_2
    ),
    "tell_credit_note_void": lambda invoice: of_credit_notes.tell_credit_note_void(
        numbered(invoice), now=NOVEMBER_2
    ),
    "tell_suspended": lambda invoice: notifications.tell_suspended(invoice, now=NOVEMBER_2),
    "tell_owners_of_refused_details": lambda invoice: (
        refused_details.tell_owners_of_refused_details(refused(invoice), now=NOVEMBER_2)
    ),
    "tell_subscription_ended": lambda invoice: notifications.tell_subscription_ended(
        invoice.workspace, key="sub_1", now=NOVEMBER_2
    ),
}
TO_FINANCE: dict[str, Callable[[Invoice], object]] = {
    "tell_finance_of_conflict": lambda invoice: notifications.tell_finance_of_conflict(
        invoice, detail="It was paid although it is void.", now=NOVEMBER_2
    ),
    "tell_finance_of_refused_details": (
        lambda invoice: refused_details.tell_finance_of_refused_details(
            refused(invoice), now=NOVEMBER_2
        )
    ),
    "notify_finance": lambda invoice: [
        notifications.notify_finance(
            key=str(about), subject="A look", paragraphs=["Please."], about=about, now=NOVEMBER_2
        )
        for about in subjects(invoice)
    ],
}


def numbered(invoice: Invoice) -> CreditNote:
    """As a note looks whose issue was told before."""
    note = draft_note(invoice, "1.00")
    note.number, note.issued_at = "INV-CN-2026-000001", NOVEMBER_2
    return note


def refused(invoice: Invoice) -> StripeCustomer:
    return StripeCustomer(workspace=invoice.workspace, last_error="Invalid value for eu_vat.")


def subjects(invoice: Invoice) -> list[Model | None]:
    run = ReconciliationRun.objects.create(started_at=NOVEMBER_2, days=1)
    return [None, invoice, invoice.workspace, invoice.billing_period, run]


def test_every_notification_is_opened_here():
    told = {
        name
        for module in (notifications, of_credit_notes, refused_details)
        for name, _ in inspect.getmembers(module, inspect.isfunction)
    }
    assert {name for name in told if name.startswith(("tell_", "notify_"))} == {
        *TO_OWNERS,
        *TO_FINANCE,
    }


@pytest.mark.parametrize("notification", TO_OWNERS)
def test_an_owner_opens_every_link_of_a_notification(notification, acme):
    TO_OWNERS[notification](make_invoice(acme, status="open"))

    (email,) = Email.objects.all()
    assert any(f"/w/{acme.pk}/" in link for link in links_of(email))
    assert dead_links(member_client(acme), [email]) == []


@pytest.mark.parametrize("notification", TO_FINANCE)
def test_finance_opens_every_link_of_a_notification(notification, acme):
    TO_FINANCE[notification](make_invoice(acme, status="open"))

    emails = Email.objects.filter(kind="finance")
    assert emails
    assert dead_links(finance_client(), emails) == []


@pytest.mark.parametrize("method", ["send_invoice", "charge_automatically"])
def test_the_customer_opens_every_link_of_an_issued_invoice_and_its_paper(
    acme, method, stripe_sandbox: SandboxProcess
):
    invoice = make_invoice(acme, status="draft", collection_method=method)
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).done

    mail_issued_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)

    email = Email.objects.get(kind="invoice_issued")
    page = Invoice.objects.get().hosted_invoice_url
    assert page in links_of(email)
    assert dead_links(member_client(acme), [email]) == []


def test_an_invoice_that_is_not_yet_in_stripe_is_shown_on_our_own_page(acme):
    invoice = make_invoice(acme, status="draft")

    mail_issued_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)

    (email,) = Email.objects.all()
    assert f"{settings.SITE_URL}/w/{acme.pk}/invoices/{invoice.pk}/" in links_of(email)
    assert dead_links(member_client(acme), [email]) == []


def test_an_owner_opens_every_link_about_a_limit():
    acme = make_workspace("Acme", usage_limit_monthly=Decimal(10))
    october = dt.datetime(2026, 10, 5, 12, tzinfo=dt.UTC)

    # 8.40, then 16.80.
    make_usage(acme, october, "7", "1")
    make_usage(acme, october, "7", "1")

    emails = Email.objects.filter(kind__startswith="limit_")
    assert {email.kind for email in emails} == {"limit_threshold", "limit_limit"}
    assert dead_links(member_client(acme), emails) == []


def test_a_new_owner_opens_the_link_to_a_password(acme, mailoutbox: list[EmailMessage]):
    mail_password_link(email="owner@acme.test", now=NOW)

    (message,) = mailoutbox
    mail = Email(text=message.body, html=message.alternatives[0][0])
    assert dead_links(Client(), [mail]) == []
