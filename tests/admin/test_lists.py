"""Every list of the admin: files of what it shows, chips of its filters, sums by currency."""

import csv
import io
from typing import Any

import pytest
from django.contrib import admin
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from unfold.templatetags.unfold_list import items_for_result

from billing.admin.lists import ListMixin
from billing.admin.rows import RowList
from invoices.models import Invoice
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_period, make_workspace
from tests.kit.staff import finance_client, make_row_of_each_model, superuser_client
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db

INVOICES = "admin:invoices_invoice_changelist"


def lines(client: Client, name: str, **asked: str) -> list[dict[str, str]]:
    answer = client.get(reverse(name), {**asked, "_file": "csv"})
    assert answer.status_code == 200
    text = b"".join(answer).decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text)))


def test_every_list_is_taken_along_as_it_is_shown() -> None:
    make_row_of_each_model()
    client = superuser_client()
    tried = 0

    for model, shown in admin.site._registry.items():
        if not isinstance(shown, ListMixin):
            continue
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist"
        page = client.get(reverse(name))
        assert "_file=xlsx" in page.content.decode(), name
        rows = lines(client, name)
        cl = page.context["cl"]
        assert (name, len(rows[: cl.list_per_page])) == (name, len(cl.result_list))
        sheet = client.get(reverse(name), {"_file": "xlsx"})
        assert b"".join(sheet)[:2] == b"PK", name
        # Rows are those that Unfold would make itself, cell by cell.
        of_unfold = ["".join(items_for_result(cl, row, None)) for row in cl.result_list]
        assert list(RowList(cl)) == of_unfold, name
        tried += 1

    assert tried >= 30


def test_a_file_has_the_rows_of_the_filters_and_search_in_their_order() -> None:
    acme = make_workspace("Acme")
    make_invoice(acme, month=8, amount="100.00", status="overdue")
    make_invoice(acme, month=9, amount="61.34", status="paid")
    make_invoice(make_workspace("Globex", currency="EUR"), amount="7.00")
    client = finance_client()

    assert len(lines(client, INVOICES)) == 3
    [row] = lines(client, INVOICES, status__exact="paid")
    assert (row["total"], row["currency"], row["workspace"]) == ("61.34", "USD", "Acme")
    assert [row["workspace"] for row in lines(client, INVOICES, q="Globex")] == ["Globex"]
    assert [row["total"] for row in lines(client, INVOICES, o="4")] == [
        "7.00",
        "61.34",
        "100.00",
    ]


def test_periods_have_their_running_totals_in_the_file_too() -> None:
    acme = make_workspace("Acme")
    make_usage(acme, make_period(acme).period_start, "10", "1")

    [row] = lines(finance_client(), "admin:billing_billingperiod_changelist")

    assert (float(row["usage"]), float(row["fee"]), row["currency"]) == (12, 49, "USD")


def test_filters_in_force_are_chips_that_can_be_taken_off_one_by_one() -> None:
    make_invoice(make_workspace("Acme"), status="paid")

    page = finance_client().get(reverse(INVOICES), {"q": "Acme", "status__exact": "paid"})

    text = " ".join(page.content.decode().split())
    assert 'href="?status__exact=paid" aria-label="Without Search Acme"' in text
    assert 'href="?q=Acme" aria-label="Without Status Paid"' in text


def test_sums_are_of_all_pages_and_by_currency() -> None:
    acme = make_workspace("Acme")
    for month in (8, 9):
        make_invoice(acme, month=month, amount="100.00")
    make_invoice(make_workspace("Globex", currency="JPY"), amount="700")

    page = finance_client().get(reverse(INVOICES))

    admin_of = page.context["cl"].model_admin
    assert admin_of.sums(page.context["cl"]) == [
        ("JPY", [("Net", "¥700"), ("Tax", "¥0"), ("Amount", "¥700"), ("Paid", "¥0")]),
        ("USD", [("Net", "$200.00"), ("Tax", "$0.00"), ("Amount", "$200.00"), ("Paid", "$0.00")]),
    ]


def test_who_may_not_see_a_list_gets_no_file_of_it(django_user_model: Any) -> None:
    client = Client()
    client.force_login(
        django_user_model.objects.create_user("nobody@finance.test", is_staff=True),
        backend="billing.sign_in_backend.SignInBackend",
    )

    assert client.get(reverse(INVOICES), {"_file": "csv"}).status_code == 403


def test_another_kind_of_file_is_refused_with_a_word() -> None:
    answer = finance_client().get(reverse(INVOICES), {"_file": "pdf"}, follow=True)

    assert "There are files as CSV and as XLSX." in answer.content.decode()


def test_a_page_of_a_list_reads_the_columns_that_it_shows() -> None:
    acme = make_workspace("Acme")
    for month in (8, 9):
        make_invoice(acme, month=month, amount="100.00")
    client = finance_client()
    client.get(reverse(INVOICES))

    with CaptureQueriesContext(connection) as asked:
        page = client.get(reverse(INVOICES))

    [rows] = [each["sql"] for each in asked if '"invoices_invoice"."number"' in each["sql"]]
    assert "bill_to_address" not in rows
    assert "tax_decision" not in rows
    # Counted and added up at once; each row's month and state need no question of their own.
    assert sum("invoices_invoice" in each["sql"] for each in asked) == 2
    assert page.context["cl"].result_count == 2


def test_pages_that_are_asked_in_the_same_words_have_the_rows_that_are_there_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown_by = admin.site._registry[Invoice]
    monkeypatch.setattr(shown_by, "list_per_page", 2)
    acme, client = make_workspace("Acme"), finance_client()

    def numbers(page: int) -> list[str]:
        cl = client.get(reverse(INVOICES), {"p": page}).context["cl"]
        return [invoice.number for invoice in cl.result_list]

    for month in (6, 7, 8):
        make_invoice(acme, month=month)
    newest_first = list(Invoice.objects.values_list("number", flat=True))
    assert [numbers(1), numbers(2)] == [newest_first[:2], newest_first[2:]]

    for month in (9, 10):
        make_invoice(acme, month=month)
    newest_first = list(Invoice.objects.values_list("number", flat=True))
    assert [numbers(1), numbers(2), numbers(3)] == [
        newest_first[:2],
        newest_first[2:4],
        newest_first[4:],
    ]
