"""Calls by price, length, agent and provider; their exports; and why one was dear."""

import datetime as dt
import io
import re
import zipfile
from uuid import UUID

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import Workspace
from billing.services.workspaces import update_billing_settings
from tests.kit.invoices import issue_invoice
from tests.kit.personas import make_agent, make_period, make_workspace, member_client
from tests.kit.usage import make_call, make_usage
from usage.models import VoiceAgent
from usage.services.call_prices import price_calls

pytestmark = pytest.mark.django_db
MONDAY = dt.datetime(2026, 11, 2, 9, 30, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def priced_call(
    where: Workspace, price: str, *, at: dt.datetime = MONDAY, agent: VoiceAgent | None = None,
    seconds: str = "60", provider: str = "twilio",
) -> UUID:  # fmt: skip
    """A call whose one record costs `price`, at cost."""
    call = make_call(where, at, seconds=seconds, agent=agent, provider=provider)
    make_usage(where, at, price, "1", call_id=call)
    return call


@pytest.fixture
def acme() -> Workspace:
    where = make_workspace("Acme")
    update_billing_settings(
        workspace_id=where.pk, changes={"markup_percentage": 0}, now=MONDAY - DAY
    )
    return where


def listed(client: Client, acme: Workspace, **chosen: str) -> list[str]:
    """The prices on the page, in order."""
    page = client.get(reverse("usage:calls", args=[acme.pk]), chosen).content.decode()
    return re.findall(r'data-label="Price" class="num">\$([\d.]+)<', page)


def test_calls_are_sorted_by_price_and_by_length_both_ways(acme: Workspace) -> None:
    for price, seconds in (("2", "30"), ("9", "10"), ("5", "90")):
        priced_call(acme, price, seconds=seconds)
    price_calls(now=MONDAY + DAY)
    client = member_client(acme)
    assert listed(client, acme, sort="-price") == ["9.00", "5.00", "2.00"]
    assert listed(client, acme, sort="price") == ["2.00", "5.00", "9.00"]
    assert listed(client, acme, sort="-duration_seconds") == ["5.00", "2.00", "9.00"]
    assert listed(client, acme, sort="duration_seconds") == ["9.00", "2.00", "5.00"]


def test_pages_of_dear_calls_follow_each_other_without_a_gap(acme: Workspace) -> None:
    for price in range(1, 46):
        priced_call(acme, str(price // 2))
    price_calls(now=MONDAY + DAY)
    client = member_client(acme)
    first = client.get(reverse("usage:calls", args=[acme.pk]), {"sort": "-price"}).content.decode()
    link = re.search(r'href="\?([^"]*cursor=[^"]*)" rel="next">Next<', first)
    assert link is not None
    query = dict(part.split("=", 1) for part in link[1].replace("&amp;", "&").split("&"))
    prices = listed(client, acme, sort="-price") + listed(client, acme, **query)
    assert prices == [f"{price // 2}.00" for price in range(45, 0, -1)]


def test_calls_are_chosen_by_agent_provider_price_and_minutes_and_the_choice_is_in_the_address(
    acme: Workspace,
) -> None:
    desk = make_agent(acme, "Front desk")
    priced_call(acme, "1", agent=desk, seconds="60")
    priced_call(acme, "2", provider="telnyx", seconds="300")
    priced_call(acme, "3", seconds="600")
    price_calls(now=MONDAY + DAY)
    client = member_client(acme)
    assert listed(client, acme, agent=str(desk.pk)) == ["1.00"]
    assert listed(client, acme, provider="telnyx") == ["2.00"]
    assert listed(client, acme, price_from="2", price_to="2.5") == ["2.00"]
    assert listed(client, acme, minutes_from="5", sort="price") == ["2.00", "3.00"]
    assert listed(client, acme, minutes_to="1") == ["1.00"]
    page = client.get(
        reverse("usage:calls", args=[acme.pk]), {"provider": "telnyx"}
    ).content.decode()
    back = f"/w/{acme.pk}/calls/%3Fprovider%3Dtelnyx".replace("/", "%2F")
    assert f"?back={back}" in page


@pytest.mark.parametrize(
    "chosen", [{"price_from": "-1"}, {"price_from": "NaN"}, {"sort": "name"}, {"agent": "x"}]
)
def test_a_choice_that_is_none_is_refused(acme: Workspace, chosen: dict[str, str]) -> None:
    answer = member_client(acme).get(reverse("usage:calls", args=[acme.pk]), chosen)
    assert answer.status_code == 422
    assert "That filter cannot be read" in answer.content.decode()


def test_another_workspaces_calls_are_not_in_the_list(acme: Workspace) -> None:
    globex = make_workspace("Globex")
    priced_call(globex, "7")
    priced_call(acme, "1")
    price_calls(now=MONDAY + DAY)
    assert listed(member_client(acme), acme, sort="-price") == ["1.00"]


def test_the_chosen_calls_go_to_a_spreadsheet_in_their_order(acme: Workspace) -> None:
    desk = make_agent(acme, "=Front desk")
    priced_call(acme, "1.25", agent=desk)
    priced_call(acme, "2.5", agent=desk)
    priced_call(acme, "9")
    price_calls(now=MONDAY + DAY)
    client = member_client(acme)
    chosen = {"agent": str(desk.pk), "sort": "-price"}
    answer = client.get(reverse("usage:calls-csv", args=[acme.pk]), chosen)
    head, *lines = b"".join(answer.streaming_content).decode("utf-8-sig").splitlines()
    assert head == (
        "started_at,call_id,agent,agent_id,direction,provider,status,duration_seconds,records,"
        "price,currency"
    )
    assert [line.split(",")[9] for line in lines] == ["2.5000000000", "1.2500000000"]
    assert lines[0].startswith("2026-11-02T10:30:00+01:00,")
    assert ",'=Front desk," in lines[0]
    answer = client.get(reverse("usage:calls-xlsx", args=[acme.pk]), chosen)
    book = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))
    sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert sheet.count("<row ") == 3
    assert sheet.index("<v>2.5") < sheet.index("<v>1.25")


@pytest.mark.parametrize("sees", ["price", "price_and_cost"])
def test_an_export_has_costs_only_where_its_owner_sees_them(acme: Workspace, sees: str) -> None:
    update_billing_settings(workspace_id=acme.pk, changes={"owners_see": sees}, now=MONDAY)
    answer = member_client(acme).get(reverse("usage:calls-csv", args=[acme.pk]))
    head = b"".join(answer.streaming_content).decode().splitlines()[0]
    assert ("cost" in head.split(",")) == (sees == "price_and_cost")


def receipt_of(client: Client, acme: Workspace, call: UUID, **query: str) -> str:
    answer = client.get(reverse("usage:receipt", args=[acme.pk, call]), query)
    return re.sub(r"\s+", " ", answer.content.decode())


def test_a_receipt_says_what_made_its_call_dearer_than_the_agents_usual_one(
    acme: Workspace,
) -> None:
    desk = make_agent(acme, "Front desk")
    for turn, minutes in enumerate(("1", "2", "2", "3", "9")):
        at = MONDAY + turn * DAY
        usual = make_call(acme, at, seconds="120", agent=desk)
        make_usage(acme, at, minutes, "0.1", call_id=usual)
    dear = make_call(acme, MONDAY + 6 * DAY, seconds="360", agent=desk)
    make_usage(acme, MONDAY + 6 * DAY, "6", "0.2", call_id=dear)
    make_usage(acme, MONDAY + 6 * DAY, "100", "0.01", resource_type="synthesis", call_id=dear)
    price_calls(now=MONDAY + 7 * DAY)
    page = receipt_of(member_client(acme), acme, dear)
    assert "Why it was dear" in page
    # 6 x 0.20 + 100 x 0.01 = 2.20 where the median is 2 x 0.10
    assert "<strong>$2.20</strong>, 11.0 times the usual $0.20" in page
    assert "It lasted 6 min 0 s, 3.0 times the usual 2 min 0 s." in page
    assert "3.0 times the usual min, at 2.0 times the usual price" in page
    assert "not used in a usual call" in page


def test_too_few_calls_are_not_a_usual_one(acme: Workspace) -> None:
    desk = make_agent(acme, "Front desk")
    for turn in range(4):
        priced_call(acme, "1", at=MONDAY + turn * DAY, agent=desk)
    dear = priced_call(acme, "9", at=MONDAY + 6 * DAY, agent=desk)
    price_calls(now=MONDAY + 7 * DAY)
    assert "usual" not in receipt_of(member_client(acme), acme, dear)


def test_a_receipt_leads_to_its_invoice_line_and_back_to_where_it_was_opened(
    acme: Workspace,
) -> None:
    call = priced_call(acme, "4")
    invoice = issue_invoice(make_period(acme, MONDAY))
    line = invoice.items.get(resource_type="call_minutes")
    client = member_client(acme)
    back = f"/w/{acme.pk}/calls/?sort=-price&day_from=2026-11-02"
    page = receipt_of(client, acme, call, back=back)
    assert f'<a href="{back.replace("&", "&amp;")}">Calls</a>' in page
    item = reverse("invoices:item", args=[acme.pk, invoice.pk, line.pk])
    assert f'href="{item}?back=' in page
    there = reverse("usage:receipt", args=[acme.pk, call])
    shown = client.get(item, {"back": there}).content.decode()
    assert f'<a href="{there}">Back to the call</a>' in shown


@pytest.mark.parametrize(
    "back", ["https://evil.test/", "//evil.test/w/", "/admin/", "javascript:x"]
)
def test_a_receipt_leads_back_to_nowhere_else(acme: Workspace, back: str) -> None:
    page = receipt_of(member_client(acme), acme, priced_call(acme, "4"), back=back)
    assert f'href="{back}' not in page
    assert f'<a href="/w/{acme.pk}/calls/">Calls</a>' in page
