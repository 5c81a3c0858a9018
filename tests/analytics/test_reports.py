"""Finance's reports: worked numbers, as-of dates, and one definition behind page and files."""

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
from django.db import connection
from django.test import Client
from django.urls import reverse

from analytics.finance.reports import _GROUPS
from analytics.reports import REPORTS, Asked
from billing.models import PeriodCharge, Workspace
from billing.tables import Kind
from invoices.models import CreditNote, Invoice, InvoiceEvent
from invoices.payments.models import CreditEntry, Payment, PaymentAllocation, PaymentEntry
from tests.kit.invoices import issue_invoice, make_invoice
from tests.kit.personas import make_agent, make_period, make_workspace
from tests.kit.staff import finance_client
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
OCTOBER = dt.datetime(2026, 10, 15, 12, tzinfo=dt.UTC)


def day(text: str) -> dt.date:
    return dt.date.fromisoformat(text)


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{text}T12:00:00+00:00")


def rows_of(key: str, **asked: Any) -> list[dict[str, Any]]:
    facts = {
        "first": day("2026-10-01"),
        "last": day("2026-11-30"),
        "as_of": NOW.date(),
        "now": NOW,
        **asked,
    }
    return [dict(row) for row in REPORTS[key].rows(Asked(**facts))]


def pay(invoice: Invoice, amount: str, on: str) -> None:
    payment = Payment.objects.create(
        workspace=invoice.workspace,
        way="bank_transfer",
        currency=invoice.currency,
        amount=Decimal(amount),
        received_on=day(on),
        recorded_by="fay",
    )
    PaymentAllocation.objects.create(payment=payment, invoice=invoice, amount=Decimal(amount))


def credit(invoice: Invoice, net: str, on: str, **where: str) -> CreditNote:
    return CreditNote.objects.create(
        workspace=invoice.workspace,
        invoice=invoice,
        number=f"INV-CN-{CreditNote.objects.count() + 1}",
        status="issued",
        reason="quality",
        currency=invoice.currency,
        net=Decimal(net),
        tax=Decimal(0),
        total=Decimal(net),
        rest_to="refund",
        drafted_by="fay",
        approved_by="fay",
        issued_at=at(on),
        approved_at=at(on),
        **{name: Decimal(amount) for name, amount in (where or {"to_refund": net}).items()},
    )


def void(invoice: Invoice, on: str) -> None:
    Invoice.objects.filter(pk=invoice.pk).update(
        status="void", voided_at=at(on), void_reason="wrong", unbilled_reason=""
    )


def test_revenue_is_the_lines_of_invoices_less_credit_notes_by_month() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex", currency="EUR")
    october = make_invoice(acme, amount="100.00")
    make_invoice(acme, month=11, amount="49.00")
    make_invoice(globex, amount="60.00")
    credit(october, "20.00", "2026-11-05")
    void(make_invoice(globex, month=11, amount="500.00"), "2026-11-20")

    found = [
        (row["customer"], f"{row['month']:%b}", row["currency"], row["fees"], row["usage"],
         row["credit_notes"], row["revenue"])
        for row in rows_of("revenue")
    ]  # fmt: skip

    assert found == [
        ("Globex", "Oct", "EUR", 49, 11, 0, 60),
        ("Acme", "Oct", "USD", 49, 51, 0, 100),
        ("Acme", "Nov", "USD", 49, 0, -20, 29),
    ]
    # Before it was void, and before the note was made.
    then = {
        (row["customer"], row["month"].month): row["revenue"]
        for row in rows_of("revenue", as_of=day("2026-11-04"))
    }
    assert then == {
        ("Globex", 10): 60,
        ("Globex", 11): 500,
        ("Acme", 10): 100,
        ("Acme", 11): 49,
    }


def test_top_and_falling_customers_are_compared_with_as_many_months_before() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    make_invoice(acme, month=9, amount="100.00")
    make_invoice(acme, month=10, amount="60.00")
    make_invoice(globex, month=10, amount="80.00")
    october = {"first": day("2026-10-01"), "last": day("2026-10-31")}

    top = [
        (row["customer"], row["revenue"], row["before"])
        for row in rows_of("top-customers", **october)
    ]
    falling = [
        (row["customer"], row["change"], row["changed"])
        for row in rows_of("falling-customers", **october)
    ]

    assert top == [("Globex", 80, 0), ("Acme", 60, 100)]
    assert falling == [("Acme", -40, Decimal("-0.4"))]


def test_ageing_is_by_days_from_the_due_date_and_by_what_was_settled_by_then() -> None:
    acme = make_workspace("Acme")
    due = {
        "2026-11-22": "1.00",  # today: not due yet
        "2026-11-21": "2.00",
        "2026-10-23": "4.00",  # 30 days
        "2026-10-22": "8.00",  # 31
        "2026-08-24": "16.00",  # 90
        "2026-08-23": "32.00",  # 91
    }
    for month, (due_date, amount) in enumerate(due.items(), start=1):
        make_invoice(acme, month=month, amount=amount, due_date=day(due_date))

    [row] = rows_of("ageing")

    assert (row["not_due"], row["to_30"], row["to_60"], row["to_90"], row["beyond"]) == (
        1, 6, 8, 16, 32,
    )  # fmt: skip
    assert (row["open"], row["invoices"], row["oldest_due"]) == (63, 6, day("2026-08-23"))


def test_what_was_open_on_a_day_counts_what_had_settled_it_by_then() -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme, amount="100.00")
    pay(invoice, "30.00", "2026-11-05")
    credit(invoice, "10.00", "2026-11-10", to_open="10.00")
    CreditEntry.objects.create(
        workspace=acme, currency="USD", position=1, kind="credit_note", amount=Decimal(5),
        balance=Decimal(5), on=day("2026-11-12"), source="fay",
    )  # fmt: skip
    CreditEntry.objects.create(
        workspace=acme, currency="USD", position=2, kind="spent", amount=Decimal(-5),
        balance=Decimal(0), invoice=invoice, on=day("2026-11-12"), source="fay",
    )  # fmt: skip
    pay(invoice, "55.00", "2026-11-20")

    def open_on(text: str) -> list[Decimal]:
        return [row["open"] for row in rows_of("open-invoices", as_of=day(text))]

    assert open_on("2026-11-01") == []  # issued the day after
    assert open_on("2026-11-02") == [100]
    assert open_on("2026-11-05") == [70]
    assert open_on("2026-11-11") == [60]
    assert open_on("2026-11-12") == [55]
    assert open_on("2026-11-20") == []
    assert [row["balance"] for row in rows_of("customer-credit", as_of=day("2026-11-20"))] == [0]


def test_what_is_void_or_written_off_is_owed_until_that_day() -> None:
    acme = make_workspace("Acme")
    cancelled, given_up = (
        make_invoice(acme, month=month, amount=amount)
        for month, amount in ((9, "7.00"), (10, "5.00"))
    )
    void(cancelled, "2026-11-10")
    Invoice.objects.filter(pk=given_up.pk).update(status="uncollectible")
    InvoiceEvent.objects.create(
        invoice=given_up, kind="uncollectible", at=at("2026-11-15"), source="fay"
    )

    def open_on(text: str) -> Decimal:
        return sum((row["open"] for row in rows_of("open-invoices", as_of=day(text))), Decimal(0))

    assert [open_on(f"2026-11-{each}") for each in ("09", "10", "14", "15")] == [12, 5, 5, 0]
    [row] = rows_of("written-off")
    assert (row["number"], row["open"], row["written_off"]) == (
        given_up.number, 5, day("2026-11-15"),
    )  # fmt: skip


def test_days_sales_outstanding_are_what_is_open_over_what_was_invoiced_in_ninety_days() -> None:
    acme = make_workspace("Acme")
    make_invoice(acme, month=8, amount="900.00", issued_at=at("2026-08-01"))  # 91 days before
    make_invoice(acme, month=9, amount="60.00", issued_at=at("2026-10-02"))
    pay(
        make_invoice(acme, month=10, amount="40.00", issued_at=at("2026-10-03")), "40", "2026-10-30"
    )
    pay(Invoice.objects.get(amount=900), "900.00", "2026-08-30")

    [october, november] = rows_of("dso")

    assert (october["at"], october["open"], october["invoiced"]) == (day("2026-10-31"), 60, 100)
    assert october["dso"] == 54  # 60 / 100 * 90
    assert november["at"] == NOW.date()


def test_collections_take_off_what_went_back_and_what_is_disputed() -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme, amount="100.00")
    pay(invoice, "100.00", "2026-11-05")
    for kind, stripe_id, amount, status in (
        ("refund", "re_1", "10", "succeeded"),
        ("refund", "re_2", "99", "failed"),
        ("dispute", "du_1", "25", "needs_response"),
        ("dispute", "du_2", "50", "won"),
    ):
        PaymentEntry.objects.create(
            invoice=invoice, kind=kind, stripe_id=stripe_id, amount=Decimal(amount), status=status,
            occurred_at=at("2026-11-08"),
        )  # fmt: skip

    found = [
        (row["way"], row["payments"], row["received"], row["refunded"], row["disputed"], row["net"])
        for row in rows_of("collections")
    ]

    assert found == [
        ("Bank transfer", 1, 100, 0, 0, 100),
        ("Stripe", 0, 0, -10, -25, -35),
    ]
    assert [row["invoices"] for row in rows_of("payments")] == [invoice.number]


def charge(invoice: Invoice, first: str, last: str, price: str, of_days: int) -> None:
    period = invoice.billing_period
    assert period is not None
    PeriodCharge.objects.create(
        period=period, position=2, kind="subscription", description="Fee", quantity=1,
        unit_price=Decimal(price), first_day=day(first), last_day=day(last), days=of_days,
        of_days=of_days, base=0, amount=Decimal(price), source_id="",
    )  # fmt: skip


def test_recurring_revenue_moves_by_what_is_new_grows_shrinks_and_goes() -> None:
    acme, globex, initech = (make_workspace(name) for name in ("Acme", "Globex", "Initech"))
    for workspace, prices in (
        (acme, ("49", "99", "99")),
        (globex, (None, "49", "20")),
        (initech, ("30", None, None)),
    ):
        for month, price in zip((7, 8, 9), prices, strict=True):
            if price:
                last = {7: 31, 8: 31, 9: 30}[month]
                invoice = make_invoice(workspace, month=month, amount="49.00")
                charge(invoice, f"2026-0{month}-01", f"2026-0{month}-{last}", price, last)

    rows = rows_of("recurring", first=day("2026-08-01"), last=day("2026-09-30"))
    found = [
        (row["opening"], row["new"], row["expansion"], row["contraction"], row["churn"],
         row["closing"], row["customers"])
        for row in rows
    ]  # fmt: skip

    assert found == [(79, 49, 50, 0, -30, 148, 2), (148, 0, 0, -29, 0, 119, 2)]
    changes = rows_of("recurring-changes", first=day("2026-08-01"), last=day("2026-08-31"))
    assert [(row["customer"], row["kind"], row["change"]) for row in changes] == [
        ("Acme", "Expansion", 50),
        ("Globex", "New", 49),
        ("Initech", "Churn", -30),
    ]


def test_a_fee_by_the_year_recurs_with_a_twelfth_in_each_of_its_months() -> None:
    acme = make_workspace("Acme")
    charge(make_invoice(acme, month=7, amount="49.00"), "2026-07-01", "2027-06-30", "120", 365)

    [row] = rows_of("recurring", first=day("2026-09-01"), last=day("2026-09-30"))

    assert (row["opening"], row["new"], row["closing"]) == (10, 0, 10)


def test_unbilled_is_what_was_used_by_that_day_in_months_that_were_not_closed() -> None:
    acme = make_workspace("Acme", timezone="UTC")
    make_usage(acme, at("2026-10-10"), "10", "1")
    make_usage(acme, at("2026-10-20"), "5", "1")
    period = make_period(acme, OCTOBER)
    issue_invoice(period)  # on 2 November

    [then] = rows_of("unbilled", as_of=day("2026-10-15"))
    assert (then["usage"], then["besides"], then["total"], then["state"]) == (
        12, 49, 61, "Running",
    )  # fmt: skip
    [ended] = rows_of("unbilled", as_of=day("2026-11-01"))[:1]
    assert (ended["usage"], ended["total"], ended["state"]) == (18, 67, "Ended, not closed")
    now = rows_of("unbilled", as_of=NOW.date())
    assert [(row["month"], row["usage"]) for row in now] == [(day("2026-11-01"), 0)]


def test_a_void_invoice_that_nobody_decided_on_is_unbilled() -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme, amount="61.34")
    void(invoice, "2026-11-10")

    [row] = [row for row in rows_of("unbilled") if row["besides"] == Decimal("61.34")]

    assert row["state"] == f"{invoice.number} is void, to be decided"


def test_margins_come_to_the_same_by_each_dimension_and_to_the_records() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    agent = make_agent(acme, "Rita")
    make_usage(acme, OCTOBER, "10", "1", agent_id=str(agent.pk), model="nova-3")
    make_usage(acme, OCTOBER, "3", "1", model="nova-3", provider="deepgram")
    make_usage(acme, OCTOBER, "5", "1")
    make_usage(globex, OCTOBER, "2", "1", resource_type="transcription", provider="deepgram")
    october = {"first": day("2026-10-01"), "last": day("2026-10-31")}

    by = {
        key: rows_of(f"margin-by-{key}", **october)
        for key in ("customer", "agent", "provider", "model", "type")
    }

    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(final_cost), sum(total_cost), count(*) FROM usage_usagerecord")
        whole = cursor.fetchone()
    assert whole == (24, 20, 4)
    for key, rows in by.items():
        sums = tuple(sum(row[name] for row in rows) for name in ("price", "cost", "records"))
        assert (key, sums) == (key, whole)
    assert [(row["customer"], row["agent"], row["margin"]) for row in by["agent"]] == [
        ("Acme", "Rita", 2),
        ("Acme", None, Decimal("1.6")),
        ("Globex", None, Decimal("0.4")),
    ]
    assert [(row["model"], row["price"]) for row in by["model"]] == [
        ("nova-3", Decimal("15.6")),
        (None, Decimal("8.4")),
    ]


def test_taxes_keep_what_was_reported_and_take_it_off_when_it_is_void() -> None:
    acme = make_workspace("Acme")
    invoice = make_invoice(acme, amount="100.00", issued_at=at("2026-10-05"))
    invoice.taxes.create(
        position=1, category="S", rate=21, name="VAT", country="NL", currency="USD",
        base=Decimal(100), tax=Decimal(21),
    )  # fmt: skip
    note = credit(make_invoice(acme, month=11, amount="49.00"), "10.00", "2026-11-03")
    note.invoice.taxes.create(
        position=1, category="S", rate=21, name="VAT", country="NL", currency="USD",
        base=Decimal(49), tax=Decimal("10.29"),
    )  # fmt: skip
    note.taxes.create(category="S", rate=21, name="VAT", base=Decimal(10), tax=Decimal("2.10"))
    void(invoice, "2026-11-10")

    found = [
        (row["month"].month, row["country"], row["tax"], row["void_tax"], row["note_tax"],
         row["net_base"], row["net_tax"])
        for row in rows_of("taxes")
    ]  # fmt: skip

    assert found == [
        (10, "NL", 21, 0, 0, 100, 21),
        (11, "NL", Decimal("10.29"), -21, Decimal("-2.10"), -61, Decimal("-12.81")),
    ]


@pytest.fixture
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
