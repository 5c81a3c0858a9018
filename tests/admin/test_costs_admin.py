"""The cost card and exchange rates in the admin."""

import pytest
import time_machine
from django.urls import reverse

from billing.models import ExchangeRate, ProviderCost
from tests.kit.costs import cost
from tests.kit.staff import finance_client, page_after, viewer_client

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _today():
    with time_machine.travel("2026-11-22T09:00:00Z", tick=False):
        yield


FORM = {
    "provider": "Deepgram",
    "resource_type": "transcription",
    "model": "nova-3",
    "unit_cost": "0.0043",
    "currency": "usd",
    "starts_on": "2026-12-01",
}


def test_a_cost_is_added_and_the_next_one_ends_it():
    client = finance_client()
    add = reverse("admin:billing_providercost_add")

    assert client.post(add, FORM).status_code == 302
    later = {**FORM, "unit_cost": "0.0050", "starts_on": "2027-01-01"}
    assert client.post(add, later).status_code == 302
    first, second = ProviderCost.objects.order_by("starts_on")
    assert (first.use_label, str(first.ends_on)) == (
        "deepgram · transcription · nova-3",
        "2027-01-01",
    )
    page = client.get(reverse("admin:billing_providercost_changelist")).content.decode()
    assert "$0.0043" in page
    assert "$0.005" in page

    change = reverse("admin:billing_providercost_change", args=[second.pk])
    client.post(change, {"ends_on": "2027-01-01"})
    second.refresh_from_db()
    assert second.starts_on == second.ends_on
    taken_back = client.post(change, {"ends_on": ""}).content.decode()
    assert "An end is not taken back: add another one." in taken_back

    for wrong, said in (
        ({"unit_cost": "-1"}, "A cost is not negative."),
        ({"currency": "XXX"}, "There is no currency"),
        ({"resource_type": ""}, "A model needs a resource_type."),
    ):
        assert said in client.post(add, {**FORM, **wrong}).content.decode()


def test_costs_and_rates_come_and_go_as_csv():
    client, viewer = finance_client(), viewer_client()
    cost("0.0125", "twilio", "call_minutes")
    export = reverse("admin:billing_providercost_export_csv")
    text = client.get(export).content.decode()
    assert "twilio,call_minutes,,USD,0.0125,2026-11-22,," in text

    more = text + "deepgram,transcription,nova-3,USD,0.0043,2026-12-01,,\n"
    bad = "x,,,USD,abc,2026-12-01,,\n"
    upload = reverse("admin:billing_providercost_import_csv")
    told = page_after(client, client.post(upload, {"_form_submitted": "on", "lines": more}))
    assert "1 costs were added; 1 were there before." in told
    told = page_after(client, client.post(upload, {"_form_submitted": "on", "lines": more + bad}))
    assert "Nothing was imported. line 4: unit_cost" in told
    assert ProviderCost.objects.count() == 2

    rates = "from_currency,to_currency,day,rate\nUSD,EUR,2026-11-20,0.92\nGBP,EUR,2026-11-20,1.15\n"
    upload = reverse("admin:billing_exchangerate_import_csv")
    assert "2 exchange rates were imported" in page_after(
        client, client.post(upload, {"_form_submitted": "on", "lines": rates})
    )
    assert viewer.post(upload, {"_form_submitted": "on", "lines": rates}).status_code == 403
    export = reverse("admin:billing_exchangerate_export_csv")
    assert sorted(client.get(export).content.decode().split()) == sorted(rates.split())


def test_an_exchange_rate_is_added_and_corrected():
    client = finance_client()
    form = {"from_currency": "usd", "to_currency": "eur", "day": "2026-11-20", "rate": "0.92"}
    assert client.post(reverse("admin:billing_exchangerate_add"), form).status_code == 302
    rate = ExchangeRate.objects.get()
    change = reverse("admin:billing_exchangerate_change", args=[rate.pk])
    assert client.post(change, {"rate": "0.93"}).status_code == 302
    rate.refresh_from_db()
    assert f"{rate.rate.normalize()}" == "0.93"
    assert "Must be more than zero" in client.post(change, {"rate": "0"}).content.decode()
