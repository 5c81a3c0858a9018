"""Finance's reports: one definition behind page, files, sums and links."""

import csv
import datetime as dt
import io
import zipfile
from collections import defaultdict
from decimal import Decimal
from typing import Any
from xml.etree import ElementTree as ET

import arro3.io
import pytest
from django.test import Client
from django.urls import reverse

from analytics.finance.reports import _GROUPS
from analytics.reports import REPORTS
from billing.models import Workspace
from billing.tables import Kind
from tests.kit.invoices import issue_invoice, make_invoice
from tests.kit.kept import made_once
from tests.kit.personas import make_agent, make_period, make_workspace
from tests.kit.reports import NOW, OCTOBER, credit, rows_of, void
from tests.kit.staff import finance_client
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db


@made_once
def books() -> None:
    """A row for most reports."""
    acme = make_workspace("Acme", timezone="UTC")
    Workspace.objects.filter(pk=acme.pk).update(name="=Acme")  # no spreadsheet runs it
    acme.refresh_from_db()
    globex = make_workspace("Globex", currency="JPY", timezone="Asia/Tokyo")
    for workspace in (acme, globex):
        make_usage(workspace, OCTOBER, "10", "7", agent_id=str(make_agent(workspace, "Rita").pk))
        make_usage(workspace, NOW, "3", "11")
    invoice = issue_invoice(make_period(acme, OCTOBER))
    issue_invoice(make_period(globex, OCTOBER), status="paid")
    credit(invoice, "10.00", "2026-11-05", to_open="10.00")
    void(make_invoice(acme, month=7), "2026-11-10")


def test_every_report_is_listed_named_and_described_once() -> None:
    listed = [key for _, keys in _GROUPS for key in keys]

    assert sorted(listed) == sorted(REPORTS)
    for report in REPORTS.values():
        names = [column.name for column in report.columns]
        assert len(names) == len(set(names)), report.key
        assert set(report.links) <= set(names), report.key
        assert len(report.how) > 80, report.key
        is_of_money = any(c.kind in (Kind.MONEY, Kind.EXACT_MONEY) for c in report.columns)
        assert not is_of_money or "currency" in names, report.key


def xlsx_cells(content: bytes) -> list[list[str]]:
    space = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
    with zipfile.ZipFile(io.BytesIO(content)) as book:
        sheet = ET.fromstring(book.read("xl/worksheets/sheet1.xml"))
    return [["".join(cell.itertext()) for cell in row] for row in sheet.iter(f"{space}row")]


def test_page_and_files_say_the_same(books: None, time_machine: Any) -> None:
    time_machine.move_to(NOW)
    client = finance_client()
    asked = {"first": "2026-09-01", "last": "2026-11-30"}

    for key, report in REPORTS.items():
        page = client.get(report.url(**asked))
        files = {
            each: b"".join(client.get(reverse("finance:report_file", args=[key, each]), asked))
            for each in ("csv", "xlsx", "parquet")
        }

        assert page.status_code == 200, key
        rows = list(csv.DictReader(io.StringIO(files["csv"].decode("utf-8-sig"))))
        assert (key, len(rows)) == (key, page.context["count"])
        cells = xlsx_cells(files["xlsx"])
        assert cells[0] == [column.label for column in report.columns], key
        assert len(cells) == len(rows) + 1, key
        table = arro3.io.read_parquet(io.BytesIO(files["parquet"])).read_all()
        assert (key, table.num_rows) == (key, len(rows))
        for column in report.columns:
            exact = table.column(column.name).to_pylist()
            if column.is_number:
                plain = [Decimal(row[column.name]) if row[column.name] else None for row in rows]
                exact = [None if each is None else Decimal(each) for each in exact]
                assert (key, column.name, exact) == (key, column.name, plain)
        # Links lead somewhere that can be opened.
        for line in page.context["lines"][:1]:
            for link in {cell.link for cell in line if cell.link}:
                assert client.get(link).status_code == 200, link


def test_currencies_are_never_added_up(books: None, time_machine: Any) -> None:
    time_machine.move_to(NOW)
    page = finance_client().get(REPORTS["revenue"].url(first="2026-10-01", last="2026-10-31"))

    assert [label for label, _ in page.context["sums"]] == ["Total JPY", "Total USD"]


def test_revenue_by_customer_for_the_quarter_is_three_clicks(
    books: None, time_machine: Any
) -> None:
    time_machine.move_to(dt.datetime(2027, 1, 5, tzinfo=dt.UTC))
    client = finance_client()
    index = client.get(reverse("finance:reports")).content.decode()  # the first click
    quarter = REPORTS["revenue"].url(first="2026-10-01", last="2026-12-31")
    assert quarter.replace("&", "&amp;") in index
    page = client.get(quarter).content.decode()
    file = reverse("finance:report_file", args=["revenue", "xlsx"])
    assert f"{file}?first=2026-10-01&amp;last=2026-12-31" in page
    content = b"".join(client.get(file, {"first": "2026-10-01", "last": "2026-12-31"}))
    assert [row[0] for row in xlsx_cells(content)] == ["Customer", "Globex", "=Acme", "=Acme"]


def test_what_cannot_be_asked_is_said_and_gives_no_file(time_machine: Any) -> None:
    time_machine.move_to(NOW)
    client = finance_client()
    wrong = {"first": "2026-11-30", "last": "2026-11-01"}

    page = client.get(REPORTS["revenue"].url(**wrong))
    assert "The last day is before the first one." in page.content.decode()
    file = client.get(reverse("finance:report_file", args=["revenue", "csv"]), wrong)
    assert (file.status_code, file["Location"].partition("?")[0]) == (
        302,
        REPORTS["revenue"].url(),
    )
    for path in ("nonsense/", "revenue/pdf/"):
        assert client.get(f"{reverse('finance:reports')}{path}").status_code == 404
    assert client.get(REPORTS["ageing"].url(workspace="zzz")).status_code == 200
    assert client.get(REPORTS["dso"].url(first="1990-01-01")).status_code == 200


def test_who_may_not_see_figures_gets_no_report(books: None) -> None:
    for path in (
        reverse("finance:reports"),
        REPORTS["revenue"].url(),
        reverse("finance:report_file", args=["revenue", "csv"]),
    ):
        assert Client().get(path).status_code == 302


def test_reports_take_the_same_queries_for_one_customer_or_many(
    books: None, django_assert_max_num_queries: Any
) -> None:
    for number in range(4):
        make_invoice(make_workspace(f"Customer{number}"), amount="60.00")
    most: dict[str, int] = defaultdict(
        lambda: 3, {"dso": 4, "unbilled": 8, "recurring": 6, "recurring-changes": 6}
    )
    for key in REPORTS:
        with django_assert_max_num_queries(most[key]):
            rows_of(key)


def test_a_number_of_records_leads_to_those_records_and_no_others(
    books: None, time_machine: Any
) -> None:
    """By the workspace's days: one at one in the morning of Tokyo's is yesterday's in UTC."""
    time_machine.move_to(NOW)
    client = finance_client()
    globex = Workspace.objects.get(name="Globex")
    make_usage(globex, dt.datetime(2026, 10, 31, 16, tzinfo=dt.UTC), "1", "1")
    for key in ("usage", "margin-by-customer", "margin-by-provider"):
        page = client.get(REPORTS[key].url(first="2026-11-01", last="2026-11-30"))
        columns = [column.name for column in page.context["columns"]]
        told = {}
        for line in page.context["lines"]:
            cell = line[columns.index("records")]
            told[cell.link] = told.get(cell.link, 0) + int(cell.text)
        assert sum(told.values()) == 3
        for link, records in told.items():
            listed = client.get(link).context["cl"].result_list
            assert (key, len(listed)) == (key, records)
