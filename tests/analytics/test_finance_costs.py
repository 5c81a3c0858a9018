"""The finance page of costs and margins, and the records behind a line of it."""

import html
import re
from decimal import Decimal

import pytest
from django.urls import reverse

from analytics.finance import costs
from tests.kit.costs import cost
from tests.kit.personas import NOW, make_agent, make_workspace
from tests.kit.prices import override, per_unit, rate
from tests.kit.staff import finance_client
from tests.kit.usage import make_usage
from usage.models import UsageRecord
from usage.services.true_ups import true_up_record

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def acme(time_machine):
    """Minutes sold at two cents, of which half is to be left."""
    time_machine.move_to(NOW, tick=False)
    workspace = make_workspace("Acme")
    minutes = rate(per_unit("0.02"), "call_minutes")._replace(min_margin_percentage=Decimal(50))
    override(workspace.pk, minutes)
    return workspace


def records_of_each_line() -> list[list[str]]:
    """The keys of the records that the page of costs leads to, line by line."""
    client = finance_client()
    page = client.get(reverse("finance:costs")).content.decode()
    addresses = re.findall(r'href="(/admin/costs/[^"?]+[?][^"]+)"', page)
    answers = [client.get(html.unescape(each)) for each in addresses]
    return [[each.idempotency_key for each in answer.context["records"]] for answer in answers]


def test_each_line_leads_to_the_records_that_it_counts_and_no_others(acme):
    desk = make_agent(acme, "Desk")
    make_usage(acme, NOW, "10", "0.03", key="plain")
    make_usage(acme, NOW, "10", "0.03", key="other provider", provider="telnyx")
    make_usage(acme, NOW, "10", "0.03", key="model", model="turbo")
    make_usage(acme, NOW, "10", "0.03", key="agent", agent_id=str(desk.pk))
    make_usage(acme, NOW, "10", "0.01", key="enough is left")

    assert sorted(records_of_each_line()) == [["agent"], ["model"], ["other provider"], ["plain"]]
    assert (costs.drifted_since(NOW).count(), costs.sold_low_since(NOW).count()) == (0, 4)


def test_what_made_a_cost_final_is_no_sale_of_its_own(acme):
    make_usage(acme, NOW, "10", "0.03", key="plain", cost_state="estimated")
    sold = UsageRecord.objects.get()
    true_up_record(workspace_id=acme.pk, record_id=sold.pk, unit_cost=Decimal("0.05"), now=NOW)

    assert records_of_each_line() == [["plain"]]


def test_a_cost_off_the_card_is_shown_beside_it_with_what_was_charged_beyond(acme):
    cost("0.01", "twilio", "call_minutes")
    make_usage(acme, NOW, "10", "0.03")
    make_usage(acme, NOW, "5", "0.02")

    [drift] = costs.drifts(now=NOW)

    # 0.3 and 0.1 were charged for what costs 0.15 by the card.
    assert (drift.records, drift.quantity, drift.difference) == (2, 15, Decimal("0.25"))
    assert (drift.least, drift.most) == (Decimal("0.02"), Decimal("0.03"))
    page = finance_client().get(reverse("finance:costs")).content.decode()
    assert "$0.25" in page
    assert costs.drifted_since(NOW).count() == 1


def test_an_address_that_cannot_be_read_leads_nowhere(acme):
    make_usage(acme, NOW, "10", "0.03")
    [line] = costs.low_sales(now=NOW)
    at = reverse("finance:low_records", args=[line.period.pk, line.rate_id])
    client = finance_client()

    assert client.get(at).status_code == 200
    for query, status in (("agent=me", 404), ("model=%00", 400)):
        assert client.get(f"{at}?{query}").status_code == status
