"""Usage records as their owner reads, filters and exports them."""

import csv
import datetime as dt
import io
import re
import tracemalloc
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from billing.exports import csv_text
from billing.models import Workspace
from tests.kit.costs import exchange_rate
from tests.kit.invoices import issue_invoice
from tests.kit.personas import make_period, make_workspace, member_client
from tests.kit.prices import per_unit, published, rate, use
from tests.kit.usage import make_call, make_usage
from usage import exports, pages
from usage.models import UsageRecord

pytestmark = pytest.mark.django_db


def at(day: int, hour: int = 12, month: int = 11) -> dt.datetime:
    return dt.datetime(2026, month, day, hour, tzinfo=dt.UTC)


def receipt_of(client: Client, where: Workspace, call: UUID) -> str:
    return client.get(reverse("usage:receipt", args=[where.pk, call])).content.decode()


def page_of(client: Client, where: Workspace, **chosen: str) -> str:
    answer = client.get(reverse("usage:records", args=[where.pk]), chosen)
    return re.sub(r"\s+", " ", answer.content.decode())


def test_records_are_shown_with_units_prices_and_their_exact_total() -> None:
    acme = make_workspace("Acme")
    make_usage(acme, at(2), "3.25", "0.0125")
    make_usage(acme, at(3), "1200", "0.00003", resource_type="synthesis", provider="elevenlabs")
    page = page_of(member_client(acme), acme)
    assert "3.25 min" in page
    assert "$0.04875" in page
    assert "1,200 characters" in page
    assert "ElevenLabs" in page
    # 0.04875 + 0.0432 = 0.09195
    assert "$0.09 <span" in page
    assert "for 2 records" in page


def test_times_are_those_of_the_workspaces_clock() -> None:
    globex = make_workspace("Globex", timezone="Asia/Kathmandu")
    make_usage(globex, at(2, 18), "1", "1")
    assert "2 Nov 2026, 23:45:00" in page_of(member_client(globex), globex)


def test_filters_narrow_the_rows_and_the_total_alike() -> None:
    acme = make_workspace("Acme")
    make_usage(acme, at(2), "10", "0.10")
    make_usage(acme, at(3), "10", "0.20", provider="vonage")
    make_usage(acme, at(4), "10", "0.50", resource_type="transcription", provider="deepgram")
    client = member_client(acme)
    assert "$2.40 <span" in page_of(client, acme, provider="vonage")
    assert "$6.00 <span" in page_of(client, acme, resource_type="transcription")
    assert "$3.60 <span" in page_of(client, acme, resource_type="call_minutes")
    assert "Nothing matches" in page_of(
        client, acme, resource_type="transcription", provider="vonage"
    )


def test_days_are_days_of_the_workspace_and_both_ends_count() -> None:
    initech = make_workspace("Initech", timezone="America/New_York")
    make_usage(initech, dt.datetime(2026, 11, 3, 4, 59, tzinfo=dt.UTC), "1", "1")  # 2nd, 23:59
    make_usage(initech, dt.datetime(2026, 11, 3, 5, 0, tzinfo=dt.UTC), "10", "1")  # 3rd, 00:00
    make_usage(initech, dt.datetime(2026, 11, 4, 5, 0, tzinfo=dt.UTC), "100", "1")  # 4th, 00:00
    client = member_client(initech)
    page = page_of(client, initech, day_from="2026-11-03", day_to="2026-11-03")
    assert "$12.00 <span" in page
    assert "for 1 record<" in page
    assert page.count("<time ") == 1


def test_a_period_can_be_chosen_and_late_usage_stays_in_the_one_that_bills_it() -> None:
    acme = make_workspace("Acme")
    make_usage(acme, at(30, month=10), "10", "1")
    issue_invoice(make_period(acme, at(30, month=10)))
    make_usage(acme, at(31, month=10), "5", "1", now=at(15))
    november = make_period(acme, at(15))
    page = page_of(member_client(acme), acme, billing_period=str(november.pk))
    assert "$6.00 <span" in page
    assert '<span class="badge warn">Late</span>' in page


def test_one_calls_records_are_found_by_its_id() -> None:
    acme = make_workspace("Acme")
    call = uuid4()
    make_usage(acme, at(2), "1", "1", call_id=call)
    make_usage(acme, at(2), "7", "1")
    page = page_of(member_client(acme), acme, call=str(call))
    assert "$1.20 <span" in page
    assert "for 1 record<" in page
    page = page_of(member_client(acme), acme, call=f" {str(call)[:8].upper()} ")
    assert "$1.20 <span" in page
    assert "for 1 record<" in page


@pytest.mark.parametrize(
    "chosen",
    [
        {"call": "nonsense"},
        {"day_from": "31/12"},
        {"day_from": "0001-01-01"},
        {"day_to": "9999-12-31"},
        {"billing_period": str(uuid4())},
    ],
)
def test_a_filter_that_cannot_be_read_is_marked(chosen: dict[str, str]) -> None:
    acme = make_workspace("Acme")
    answer = member_client(acme).get(reverse("usage:records", args=[acme.pk]), chosen)
    assert answer.status_code == 422
    assert f'id="id_{next(iter(chosen))}_error"' in answer.content.decode()


def test_paging_forth_and_back_shows_every_record_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "PAGE_SIZE", 3)
    acme = make_workspace("Acme")
    same_moment = at(5)
    for number in range(1, 8):
        make_usage(acme, same_moment, str(number), "1", key=f"key-{number}")
    client = member_client(acme)

    def quantities(page: str) -> list[str]:
        return re.findall(r"(\d) min", page)

    def cursor(page: str, name: str) -> str:
        found = re.search(rf'href="\?cursor=([^"]+)" rel="{name}"', page)
        return found[1] if found else ""

    first = page_of(client, acme)
    second = page_of(client, acme, cursor=cursor(first, "next"))
    third = page_of(client, acme, cursor=cursor(second, "next"))
    seen = quantities(first) + quantities(second) + quantities(third)
    assert sorted(seen) == list("1234567")
    assert cursor(third, "next") == ""
    assert quantities(page_of(client, acme, cursor=cursor(third, "prev"))) == quantities(second)
    back = page_of(client, acme, cursor=cursor(second, "prev"))
    assert quantities(back) == quantities(first)
    assert cursor(back, "prev") == ""


def test_a_cursor_that_nobody_gave_out_starts_at_the_top() -> None:
    acme = make_workspace("Acme")
    make_usage(acme, at(2), "3", "1")
    client = member_client(acme)
    for cursor in ("x", "ozz-1", "o" + "f" * 60, "o-", "offffffffffffffffffff-" + "0" * 32):
        assert "3 min" in page_of(client, acme, cursor=cursor)


def test_an_empty_page_says_what_will_be_here() -> None:
    acme = make_workspace("Acme")
    assert "No usage yet" in page_of(member_client(acme), acme)


def test_only_the_results_are_sent_to_the_filter_form() -> None:
    acme = make_workspace("Acme")
    answer = member_client(acme).get(
        reverse("usage:records", args=[acme.pk]), headers={"HX-Target": "section#results"}
    )
    assert answer.content.decode().strip().startswith('<section class="card" id="results"')


@pytest.mark.parametrize("records", [1, 40])
def test_the_page_takes_as_many_queries_for_one_record_as_for_forty(
    records: int, django_assert_num_queries: object
) -> None:
    acme = make_workspace("Acme")
    for number in range(records):
        make_usage(acme, at(5), "1", "1", call_id=uuid4(), key=str(number))
    client = member_client(acme)
    client.get(reverse("usage:records", args=[acme.pk]))
    # Session, user, memberships, periods, whether costs show, the page, the totals; what there is
    # to choose is kept for some minutes.
    with django_assert_num_queries(7):
        client.get(reverse("usage:records", args=[acme.pk]))


def test_what_is_used_for_the_first_time_can_be_chosen_at_once() -> None:
    acme = make_workspace("Acme")
    address, client = reverse("usage:records", args=[acme.pk]), member_client(acme)
    make_usage(acme, at(4), "1", "1", key="old")
    client.get(address)
    make_usage(acme, at(5), "2", "1", provider="newco", key="new")

    page = client.get(address, {"provider": "newco"})

    assert page.status_code == 200
    assert [row.idempotency_key for row in page.context["page"].rows] == ["new"]
    assert client.get(address, {"provider": "nobody"}).status_code == 422


def test_the_export_has_every_chosen_record_exactly() -> None:
    acme = make_workspace("Acme")
    make_usage(acme, at(2), "3.25", "0.0125", key="call-1")
    make_usage(acme, at(3), "1", "0.0000000001", provider="=HYPERLINK(1)", key="-1+1")
    make_usage(acme, at(4), "1", "1", resource_type="storage")
    answer = member_client(acme).get(
        reverse("usage:export", args=[acme.pk]), {"resource_type": "call_minutes"}
    )
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="usage-')
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert [row["final_cost"] for row in rows] == ["0.0000000001", "0.0487500000"]
    assert rows[1]["occurred_at"] == "2026-11-02T13:00:00+01:00"
    assert rows[1]["quantity"] == "3.250000"
    # What a spreadsheet would run as a formula is kept as text.
    assert rows[0]["provider"] == "'=hyperlink(1)"
    assert rows[0]["idempotency_key"] == "'-1+1"


def test_a_cost_in_another_currency_is_said_in_that_one_where_costs_are_shown() -> None:
    acme = make_workspace("Acme")
    acme.billing_settings.owners_see = "price_and_cost"
    acme.billing_settings.save()
    exchange_rate("1.10", day=at(1).date())
    call, client = uuid4(), member_client(acme)
    for currency in ("EUR", None):
        facts = {"call_id": call, "key": str(currency), "cost_currency": currency}
        make_usage(acme, at(2), "10", "0.01", **facts)

    for page in (page_of(client, acme), receipt_of(client, acme, call)):
        assert page.count("€0.01<") == page.count("$0.01<") == 1
    answer = client.get(reverse("usage:export", args=[acme.pk]))
    rows = list(csv.DictReader(io.StringIO(b"".join(answer.streaming_content).decode("utf-8-sig"))))
    assert {
        row["idempotency_key"]: (row["cost_currency"], row["exchange_rate"], row["total_cost"])
        for row in rows
    } == {"EUR": ("EUR", "1.100000000000", "0.1100000000"), "None": ("USD", "", "0.1000000000")}


def test_records_whose_whole_month_counts_say_so_on_pages_and_in_csv() -> None:
    acme = make_workspace("Acme")
    november = dt.date(2026, 11, 1)
    before = dt.datetime(2026, 10, 20, tzinfo=dt.UTC)
    included = rate(per_unit("0.12", included="100"), "call_minutes")
    use(published(included, now=before, day=november), acme.pk, day=november, now=before)
    make_usage(acme, at(3), "1", "0.01", resource_type="storage", provider="aws")
    client = member_client(acme)
    said = "These are list prices. What the whole period makes of them"
    assert said not in page_of(client, acme)

    call = make_call(acme, at(2))
    make_usage(acme, at(2), "3.25", "0.0125", call_id=call)

    assert said in page_of(client, acme)
    assert "Call Minutes: 100 included." in page_of(client, acme)
    assert said in client.get(reverse("usage:calls", args=[acme.pk])).content.decode()
    answer = client.get(reverse("usage:export", args=[acme.pk]))
    lines = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert [line["whole_period_price"] for line in lines] == ["no", "yes"]


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", " =", "＝", "＋", "－", "＠"])
def test_what_a_spreadsheet_would_run_is_kept_as_text(start: str) -> None:
    assert csv_text(f"{start}1+1") == f"'{start}1+1"
    assert csv_text(f"a{start}") == f"a{start}"


def test_an_export_has_any_number_of_records_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "_PAGE", 2)
    acme = make_workspace("Acme")
    for day in (2, 3, 4, 5, 6):
        make_usage(acme, at(day), str(day), "1")
    make_usage(make_workspace("Globex"), at(4), "77", "1")
    answer = member_client(acme).get(reverse("usage:export", args=[acme.pk]))
    content = b"".join(answer.streaming_content)
    assert content.startswith(b"\xef\xbb\xbfoccurred_at,")
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"))))
    assert [row["quantity"] for row in rows] == [f"{day}.000000" for day in (6, 5, 4, 3, 2)]


def test_an_export_of_many_records_takes_the_memory_of_a_page(db: None) -> None:
    acme = make_workspace("Acme")
    make_usage(acme, at(2), "1", "1")
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE usage_usagerecord DISABLE TRIGGER USER")
        cursor.execute(
            "INSERT INTO usage_usagerecord (id, workspace_id, billing_period_id, occurred_at,"
            " created_at, usage_date, late, idempotency_key, resource_type, provider, quantity,"
            " unit_cost, total_cost, markup_percentage, final_cost)"
            " SELECT gen_random_uuid(), workspace_id, billing_period_id, occurred_at - i *"
            " interval '1 second', created_at, usage_date, late, i::text, resource_type, provider,"
            " quantity, unit_cost, total_cost, markup_percentage, final_cost"
            " FROM usage_usagerecord, generate_series(1, 7000) AS i"
        )
        cursor.execute("UPDATE usage_usagerollup SET records = 7001")
        cursor.execute("ALTER TABLE usage_usagerecord ENABLE TRIGGER USER")
    lines = iter(
        exports.records_csv(
            "usage.csv",
            UsageRecord.objects.filter(workspace=acme),
            currency="USD",
            timezone=acme.zone,
            with_cost=False,
        )
    )
    next(lines)
    tracemalloc.start()
    count = sum(1 for _ in lines)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count == 7_001
    # Two pages of two thousand; all would take twice as much.
    assert peak < 10_000_000


@pytest.mark.parametrize("name", ["usage:records", "usage:export", "usage:calls", "usage:agents"])
def test_anothers_pages_do_not_exist(name: str) -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    assert member_client(acme).get(reverse(name, args=[globex.pk])).status_code == 404


def test_anothers_records_never_show() -> None:
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    make_usage(globex, at(2), "77", "1")
    client = member_client(acme)
    assert "77 min" not in page_of(client, acme)
    exported = client.get(reverse("usage:export", args=[acme.pk]))
    assert len(b"".join(exported.streaming_content).splitlines()) == 1
