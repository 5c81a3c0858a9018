"""Invoices as their owner reads them, down to the records behind a line."""

import datetime as dt
import re
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import Workspace
from invoices.models import Invoice
from invoices.payments.services import settle
from invoices.payments.services.stripe_sync.plan import stripe_lines
from invoices.pdf import render_invoice
from tests.kit.invoices import issue_invoice, known_card
from tests.kit.papers import words_of
from tests.kit.personas import make_period, make_workspace, member_client
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db


def at(day: int, month: int = 10) -> dt.datetime:
    return dt.datetime(2026, month, day, 12, tzinfo=dt.UTC)


def october(where: Workspace, **facts: str) -> Invoice:
    """49.00 + 3 x 0.0011 x 1.2 of minutes + 1.005 of synthesis: 50.00896, billed as 50.01."""
    for day in (1, 15, 31):
        make_usage(where, at(day), "1", "0.0011")
    make_usage(where, at(20), "8375", "0.0001", resource_type="synthesis", provider="elevenlabs")
    return issue_invoice(make_period(where, at(15)), **facts)


def page_of(client: Client, name: str, *args: object, **chosen: str) -> str:
    return re.sub(r"\s+", " ", client.get(reverse(name, args=args), chosen).content.decode())


def test_an_overdue_invoice_offers_to_pay_it_now() -> None:
    acme = make_workspace("Acme")
    pay = "https://invoice.stripe.com/i/acct_1/test_1"
    october(acme, status="overdue", hosted_invoice_url=pay)
    page = page_of(member_client(acme), "invoices:list", acme.pk)
    assert "INV-2026-000001, $50.01, is overdue" in page
    assert f'href="{pay}"' in page


def test_a_paid_invoice_offers_nothing_to_pay() -> None:
    acme = make_workspace("Acme")
    invoice = october(acme, status="paid", hosted_invoice_url="https://invoice.stripe.com/i/1")
    client = member_client(acme)
    assert "Pay now" not in page_of(client, "invoices:list", acme.pk)
    assert "Pay now" not in page_of(client, "invoices:detail", acme.pk, invoice.pk)


def test_invoices_are_chosen_by_status() -> None:
    acme = make_workspace("Acme")
    october(acme, status="paid")
    client = member_client(acme)
    assert "INV-2026-000001" in page_of(client, "invoices:list", acme.pk, status="paid")
    assert "None with this status" in page_of(client, "invoices:list", acme.pk, status="open")


def test_a_workspace_without_invoices_is_told_when_the_first_one_comes() -> None:
    acme = make_workspace("Acme")
    assert "No invoices yet" in page_of(member_client(acme), "invoices:list", acme.pk)


def test_the_list_takes_as_many_queries_for_many_invoices_as_for_one(
    django_assert_num_queries: object,
) -> None:
    acme = make_workspace("Acme")
    for month in range(1, 10):
        issue_invoice(make_period(acme, at(15, month)))
    client = member_client(acme)
    client.get(reverse("invoices:list", args=[acme.pk]))
    # Session, user, memberships, the page, the payment method, those still to pay, and whether
    # the card expires.
    with django_assert_num_queries(7):
        page = client.get(reverse("invoices:list", args=[acme.pk]))
    assert page.content.decode().count("INV-2026-00000") > 9


def test_an_invoice_shows_items_that_add_up_and_how_it_was_rounded() -> None:
    acme = make_workspace("Acme")
    invoice = october(acme)
    page = page_of(member_client(acme), "invoices:detail", acme.pk, invoice.pk)
    assert "1 month" in page
    assert "$49.00" in page
    assert "3 min" in page
    assert "$0.00132" in page
    assert "8,375 characters" in page
    assert '<td class="num">$50.01</td>' in page
    assert "The exact sum is $50.00896" in page
    assert "by $0.00104," in page
    amounts = [Decimal(a) for a in re.findall(r'data-label="Amount" class="num">\$([\d.]+)<', page)]
    assert sum(amounts) == Decimal("50.01")


def test_the_timeline_tells_what_happened_and_what_comes_next() -> None:
    acme = make_workspace("Acme")
    known_card(acme)
    invoice = october(acme)
    page = page_of(member_client(acme), "invoices:detail", acme.pk, invoice.pk)
    # The period ends at midnight in Berlin and was closed a day later.
    assert "1 November 2026, 00:00" in page
    assert "2 November 2026, 00:00" in page
    assert "Charged by itself" in page
    assert "16 November 2026" in page


def test_the_timeline_of_a_declined_card_names_it_and_the_way_on() -> None:
    acme = make_workspace("Acme")
    invoice = october(acme, status="overdue")
    page = page_of(member_client(acme), "invoices:detail", acme.pk, invoice.pk)
    steps = re.findall(r'<li class="(\w+)"><strong>([^<]+)', page)
    assert steps == [
        ("done", "Period ended"),
        ("done", "Issued"),
        ("bad", "Payment failed"),
        ("bad", "Overdue"),
        ("bad", "Workspace suspended"),
        ("next", "To be paid"),
    ]
    assert "Your card was declined." in page


def test_a_line_leads_to_its_records_their_exact_sum_and_the_rounding() -> None:
    acme = make_workspace("Acme")
    invoice = october(acme)
    make_usage(acme, at(15, 11), "99", "0.0011")
    item = invoice.items.get(resource_type="call_minutes")
    page = page_of(member_client(acme), "invoices:item", acme.pk, invoice.pk, item.pk)
    assert page.count("1 min</td>") == 3
    assert "99 min" not in page
    assert '<dd class="value">$0.00396</dd>' in page  # 3 x 0.00132
    # 49.00, 0.00396 and 1.005 come to 50.01: the cent that is missing goes to the half.
    assert '<dd class="value">$0.00</dd>' in page
    assert '<dd class="value">−$0.00396</dd>' in page


def test_a_late_line_leads_to_all_records_of_its_month() -> None:
    acme = make_workspace("Acme")
    issue_invoice(make_period(acme, at(15, 8)))
    issue_invoice(make_period(acme, at(15, 9)))
    mid_october = at(15, 10)
    make_usage(acme, at(28, 9), "4", "1", now=mid_october)
    make_usage(acme, at(29, 9), "7", "2", resource_type="storage", now=mid_october)
    make_usage(acme, at(29, 8), "50", "1", now=mid_october)
    invoice = october(acme)
    item = invoice.items.get(usage_month=dt.date(2026, 9, 1))
    page = page_of(member_client(acme), "invoices:item", acme.pk, invoice.pk, item.pk)
    assert "Late usage, September 2026" in page
    assert "4 min</td>" in page
    assert "7 GB</td>" in page
    assert "50 min" not in page
    # 4 x 1.2 + 14 x 1.2
    assert '<dd class="value">$21.60</dd>' in page
    # Minutes and gigabytes: neither the page, nor the paper, nor Stripe counts them together.
    assert "Late usage, September 2026 $21.60" in words_of(render_invoice(invoice))
    assert "Late usage, September 2026" in {
        line.description for line in stripe_lines(invoice).values()
    }


def test_a_subscription_line_has_no_records_and_says_so() -> None:
    acme = make_workspace("Acme")
    invoice = october(acme)
    item = invoice.items.get(kind="subscription")
    page = page_of(member_client(acme), "invoices:item", acme.pk, invoice.pk, item.pk)
    assert "No usage records" in page


def test_the_pdf_is_served_under_the_invoices_number() -> None:
    acme = make_workspace("Acme")
    invoice = october(acme)
    answer = member_client(acme).get(reverse("invoices:pdf", args=[acme.pk, invoice.pk]))
    assert answer.headers["Content-Type"] == "application/pdf"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="INV-2026-000001.pdf"'
    assert answer.content.startswith(b"%PDF-")


def test_anothers_invoice_does_not_exist_under_either_address() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    invoice = october(globex)
    item = invoice.items.first()
    assert item is not None
    client = member_client(acme)
    for where in (acme, globex):
        for name, more in (("detail", []), ("pdf", []), ("item", [item.pk])):
            page = reverse(f"invoices:{name}", args=[where.pk, invoice.pk, *more])
            assert client.get(page).status_code == 404


def test_a_line_of_another_invoice_does_not_exist_under_this_one() -> None:
    acme = make_workspace("Acme")
    first = october(acme)
    second = issue_invoice(make_period(acme, at(15, 9)))
    item = second.items.get()
    page = reverse("invoices:item", args=[acme.pk, first.pk, item.pk])
    assert member_client(acme).get(page).status_code == 404


def test_a_written_off_invoice_says_so_and_can_still_be_paid() -> None:
    acme = make_workspace("Acme")
    pay = "https://invoice.stripe.com/i/acct_1/test_1"
    invoice = october(acme, hosted_invoice_url=pay)
    settle.mark_uncollectible(invoice_id=invoice.pk, now=at(20, 12))
    client = member_client(acme)

    page = page_of(client, "invoices:detail", acme.pk, invoice.pk)
    assert "Written off</span>" in page
    assert "We no longer ask for it. It is still owed, and can be paid here." in page
    assert f'href="{pay}"' in page
    written_off = page_of(client, "invoices:list", acme.pk, status="uncollectible")
    assert "INV-2026-000001" in written_off
    assert "Uncollectible" not in page + written_off


def test_a_declined_invoice_says_so_and_how_to_pay() -> None:
    acme = make_workspace("Acme")
    pay = "https://invoice.stripe.com/i/acct_1/test_1"
    invoice = october(acme, status="overdue", hosted_invoice_url=pay)
    page = page_of(member_client(acme), "invoices:detail", acme.pk, invoice.pk)
    assert "A payment for it was declined." in page
    assert "Pay it here with another card." in page
    assert f'href="{pay}"' in page


def test_an_issued_invoice_that_waits_to_be_sent_is_no_draft() -> None:
    acme = make_workspace("Acme")
    invoice = october(acme)
    Invoice.objects.update(status="draft")
    client = member_client(acme)
    for page in (
        page_of(client, "invoices:detail", acme.pk, invoice.pk),
        page_of(client, "invoices:list", acme.pk),
    ):
        assert "Being sent</span>" in page
        assert "Draft" not in page
