"""The demo on the worst of days: a month has just begun, in some places, and none has closed."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.utils import timezone as clock

from billing.models import BillingPeriod, User, Workspace
from dev.demo import accounts, prices
from dev.demo.load import Loader, Progress
from dev.demo.personas import PERSONAS, README_COMPANY
from dev.demo.senders import DirectSender
from dev.embedded.service import PROJECT_ROOT
from invoices.models import CreditNote, Invoice
from invoices.payments.models import CallDispute, CreditEntry, Payment
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
        loader.load_usage(DirectSender(), seed=7)
    walk.hear_from_stripe()
    assert loader.wait_until_settled() == []
    with walk.committed():
        loader.give_and_take()
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
        "Kranich Logistik": ("active", ["paid"], [], {"live"}),
        "Southerly Energy": ("active", ["partly_paid"], [], {"live"}),
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
    assert UsageRecord.objects.filter(late=True, reverses__isnull=True).count() == 6
    note = CreditNote.objects.get(key="bad-call")
    assert (note.workspace.name, note.total, note.to_refund) == ("Kranich Logistik", 20, 20)
    # At the invoice's own rate of 19 %, which the German company takes: 16.81 x 1.19 is 20.00.
    assert (note.net, note.tax) == (Decimal("16.81"), Decimal("3.19"))
    assert (note.e_invoice.format, note.invoice.e_invoice.format) == ("xrechnung", "xrechnung")
    assert note.invoice.number.startswith("INV-DE-")
    decided, waiting = CallDispute.objects.order_by("state")
    assert (decided.state, waiting.state) == ("approved", "open")
    assert decided.credit_note is not None
    half = Payment.objects.get(way="bank_transfer")
    assert half.workspace.name == "Southerly Energy"
    part_paid = Invoice.objects.get(workspace=half.workspace)
    assert half.amount == part_paid.amount_paid
    assert part_paid.amount_open in (half.amount, half.amount - Decimal("0.01"))
    for email in ("finance@voice-platform.example", "owner@bluebird.example"):
        assert User.objects.get(email=email).check_password(PASSWORD)

    assert loader.is_loaded()
    before = _counts()
    with walk.committed():
        loader.make_accounts(password=PASSWORD)
        loader.load_usage(DirectSender(), seed=7)
        loader.give_and_take()
    assert before == _counts()
    # Which fails where there is a difference.
    call_command("check_ledger", "--stripe")


def _counts() -> list[int]:
    return [
        model.objects.count()
        for model in (Call, UsageRecord, Invoice, CreditNote, Payment, CreditEntry)
    ]


@pytest.mark.django_db
def test_the_first_request_of_the_readme_is_answered_as_the_readme_says() -> None:
    accounts.make_workspace(README_COMPANY, now=clock.now())
    prices.set_prices(README_COMPANY, now=clock.now())
    readme = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
    body = readme.partition("<<END\n")[2].partition("\nEND\n")[0]

    answer = ApiClient().post(
        "usage/", json.loads(body.replace("$WORKSPACE", str(README_COMPANY.id)))
    )

    record = answer.json()
    assert f"cost {record['total_cost']}, price {record['final_cost']} with" in readme
