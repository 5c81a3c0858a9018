"""Alerts and dashboard name figures that `/metrics` has, and the figures say what happened."""

import datetime as dt
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import yaml
from django.test import Client

from billing.models import BillingPeriod
from tests.kit.api import ApiClient
from tests.kit.http_server import usage_body
from tests.kit.personas import NOW, make_period, make_workspace
from usage.models import ProviderHeartbeat
from usage.services import heartbeats

pytestmark = pytest.mark.django_db
DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
ALERTS: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((DEPLOY / "prometheus" / "alerts.yaml").read_text())["groups"]
    for rule in group["rules"]
]
DASHBOARD = json.loads((DEPLOY / "grafana" / "billing.json").read_text())
# Names of series, not of functions or of labels.
SERIES = re.compile(r"\b(?:http|usage|billing|payments)_[a-z_]+\b")


@pytest.fixture(autouse=True)
def _nobody_was_heard_of_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeats, "noted", {})


def figures() -> dict[str, float]:
    """Each sample of `/metrics` by its name and labels."""
    text = Client().get("/metrics").content.decode()
    return {
        name: float(value)
        for name, value in re.findall(r"^([^#\s][^ ]*) (\S+)$", text, re.MULTILINE)
    }


def expressions() -> list[str]:
    targets = [target for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [*(rule["expr"] for rule in ALERTS), *(target["expr"] for target in targets)]


def post_usage(key: str, **facts: object) -> ApiClient:
    api = ApiClient()
    api.post("usage/", usage_body(make_workspace(), key, **facts))
    return api


def test_every_figure_that_is_watched_is_there(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)
    post_usage("call 1")
    post_usage("call 2", quantity="many")
    there = {name.partition("{")[0] for name in figures()}

    named = {name for each in expressions() for name in SERIES.findall(each)}
    assert len(named) >= 15
    assert sorted(named - there) == []


def test_each_alert_says_how_bad_it_is_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in ALERTS}) == len(ALERTS) >= 15
    for rule in ALERTS:
        assert rule.keys() == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"]


def test_the_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {
            (at["x"] + across, at["y"] + down)
            for across in range(at["w"])
            for down in range(at["h"])
        }
        assert at["x"] + at["w"] <= 24
        assert not cells & taken
        taken |= cells


def test_records_are_counted_by_what_became_of_them(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)
    before = figures()
    acme = make_workspace()
    api = ApiClient()
    body = usage_body(acme, "call 1")
    api.post("usage/", body)
    api.post("usage/batch/", {"records": [body, usage_body(acme, "call 2", quantity="-1")]})
    api.post("usage/", b"{")

    now = figures()

    def more(name: str) -> float:
        return now[name] - before.get(name, 0)

    assert more('usage_records_total{outcome="accepted"}') == 1
    assert more('usage_records_total{outcome="duplicate"}') == 1
    assert more('usage_records_total{outcome="refused"}') == 2
    codes = [name for name in now if name.startswith("usage_refusals_total") and more(name)]
    assert len(codes) == 2


def test_a_provider_is_noted_once_a_minute(
    time_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_machine.move_to(NOW, tick=False)
    api = post_usage("call 1")
    time_machine.move_to(NOW + dt.timedelta(seconds=30), tick=False)
    api.post("usage/", usage_body(make_workspace("Globex"), "call 2"))

    (beat,) = ProviderHeartbeat.objects.all()
    assert (beat.source, beat.provider, beat.at) == ("usage", "twilio", NOW)
    name = 'usage_provider_last_record_timestamp_seconds{provider="twilio"}'
    assert figures()[name] == NOW.timestamp()
    assert figures()["usage_last_call_timestamp_seconds"] == 0

    monkeypatch.setattr(heartbeats, "SECONDS", 0)
    time_machine.move_to(NOW + dt.timedelta(seconds=90), tick=False)
    api.post("usage/", usage_body(make_workspace("Initech"), "call 3"))
    assert ProviderHeartbeat.objects.get().at == NOW + dt.timedelta(seconds=90)


def test_a_provider_whose_usage_is_refused_or_known_is_not_heard_of(
    time_machine: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    time_machine.move_to(NOW, tick=False)
    acme, api = make_workspace(), ApiClient()
    known = usage_body(acme, "call 1")
    api.post("usage/", known)
    other = {**known, "provider": "vonage"}
    nowhere = {**other, "workspace_id": str(UUID(int=1)), "idempotency_key": "call 2"}
    monkeypatch.setattr(heartbeats, "SECONDS", 0)
    time_machine.move_to(NOW + dt.timedelta(seconds=90), tick=False)

    for body in (known, other, nowhere):
        api.post("usage/", body)
    batch = [usage_body(acme, "call 3", provider="telnyx"), known, other, nowhere]
    assert api.post("usage/batch/", {"records": batch}).json()["accepted"] == 1

    heard = dict(ProviderHeartbeat.objects.values_list("provider", "at"))
    assert heard == {"twilio": NOW, "telnyx": NOW + dt.timedelta(seconds=90)}


def test_what_waits_has_an_age(time_machine: Any) -> None:
    time_machine.move_to(NOW, tick=False)
    make_period(make_workspace())
    end = BillingPeriod.objects.get().period_end
    # Due when the grace of 24 hours has passed; two hours ago now.
    time_machine.move_to(end + dt.timedelta(hours=26), tick=False)

    assert figures()["billing_periods_due"] == 1
    assert figures()["billing_periods_due_oldest_seconds"] == 2 * 3600
    assert figures()['billing_work_oldest_seconds{kind="email"}'] == 0
