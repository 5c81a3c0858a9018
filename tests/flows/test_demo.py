"""The demo on the worst of days: a month has just begun, in some places, and none has closed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from django.utils import timezone as clock

from billing.models import BillingPeriod, User, Workspace
from billing.services.builtins import ensure_builtins
from dev.demo import accounts, prices
from dev.demo.doors import DirectDoor
from dev.demo.load import Loader, Progress
from dev.demo.personas import PERSONAS, README_COMPANY
from dev.embedded.service import PROJECT_ROOT
from invoices.models import Invoice
from tests.kit.api import ApiClient
from tests.kit.walk import Walk
from usage.models import Call, UsageRecord, VoiceAgent

PASSWORD = "correct horse battery"


@contextmanager
def quietly(label: str) -> Iterator[Progress]:
    yield lambda done, total: None


@pytest.fixture
def loader(walk: Walk) -> Loader:
    """Loaded at 00:40 on 1 March in London: 06:25 in Kathmandu, 29 February still in New York."""
    walk.go_to("2028-03-01T00:40:00+00:00")
    small = [replace(company, calls_a_day=3) for company in PERSONAS]
    told = {company.story: company for company in reversed(small)}
    loader = Loader(list(told.values()), step=quietly)
    with walk.committed():
        loader.make_accounts(password=PASSWORD)
    with walk.committed():
        loader.load_usage(DirectDoor(), seed=7)
    walk.hear_from_stripe()
    return loader


def test_every_story_can_be_seen_and_loading_again_adds_nothing(loader: Loader, walk: Walk) -> None:
    states = {
        workspace.name: (
            workspace.status,
            list(Invoice.objects.filter(workspace=workspace).values_list("status", flat=True)),
            sorted(workspace.alerts.values_list("kind", flat=True)),
            set(VoiceAgent.objects.filter(workspace=workspace).values_list("status", flat=True)),
        )
        for workspace in Workspace.objects.all()
    }
    assert states == {
        "Bluebird Dental": ("active", ["paid"], [], {"live"}),
        "Annapurna Treks": ("active", ["paid"], ["threshold"], {"live"}),
        "Thameside Lettings": ("active", ["paid"], ["limit", "threshold"], {"paused"}),
        "Redwood Recovery": ("suspended", ["overdue"], [], {"paused"}),
    }
    months = {
        (period.workspace.name, period.label, period.is_current)
        for period in BillingPeriod.objects.select_related("workspace")
        if period.workspace.name in ("Bluebird Dental", "Thameside Lettings")
    }
    assert months == {
        ("Bluebird Dental", "January 2028", False),
        ("Bluebird Dental", "February 2028", True),
        ("Thameside Lettings", "February 2028", False),
        ("Thameside Lettings", "March 2028", True),
    }
    assert UsageRecord.objects.filter(late=True).count() == 6
    for email in ("finance@voice-platform.example", "owner@bluebird.example"):
        assert User.objects.get(email=email).check_password(PASSWORD)

    assert loader.is_loaded()
    before = (Call.objects.count(), UsageRecord.objects.count(), Invoice.objects.count())
    with walk.committed():
        loader.make_accounts(password=PASSWORD)
        loader.load_usage(DirectDoor(), seed=7)
    assert before == (Call.objects.count(), UsageRecord.objects.count(), Invoice.objects.count())


@pytest.mark.django_db
def test_the_first_request_of_the_readme_is_answered_as_the_readme_says() -> None:
    ensure_builtins()
    accounts.make_workspace(README_COMPANY, now=clock.now())
    prices.set_prices(README_COMPANY, now=clock.now())
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    body = readme.partition("<<END\n")[2].partition("\nEND\n")[0]

    answer = ApiClient().post(
        "usage/", json.loads(body.replace("$WORKSPACE", str(README_COMPANY.id)))
    )

    record = answer.json()
    assert f"cost {record['total_cost']}, price {record['final_cost']} with" in readme
