"""The list of waiting work: what is stuck of every kind, and why."""

import datetime as dt

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from billing.models import Email
from invoices.payments.models import InvoiceAction, StripeCustomer, StripeSync
from tests.kit.invoices import make_invoice
from tests.kit.personas import NOW, make_workspace
from tests.kit.staff import finance_client, viewer_client

pytestmark = pytest.mark.django_db
LIST = "finance:waiting_work"


@pytest.fixture
def stuck(db: None) -> dict[str, object]:
    """One of each kind, blocked or tried in vain, and an e-mail that only waits for its turn."""
    acme = make_workspace("Acme")
    invoice = make_invoice(acme, status="draft")
    since = NOW - dt.timedelta(days=2)
    common = {"requested_at": since, "attempts": 3}
    blocked = {"status": "blocked", "blocked_reason": "refused", **common}
    Email.objects.create(
        key="new", kind="limit", recipients=["a@acme.test"], subject="On its first try", text=""
    )
    return {
        "email": Email.objects.create(
            key="old",
            kind="limit",
            workspace=acme,
            recipients=["owner@acme.test"],
            subject="About the limit",
            text="",
            last_error="421 try again later",
            **common,
        ),
        "action": InvoiceAction.objects.create(
            invoice=invoice,
            kind="mark_uncollectible",
            decided_on=NOW.date(),
            reason="Never paid.",
            requested_by="fiona@platform.test",
            last_error="Stripe cannot be reached",
            **{**blocked, "blocked_reason": "exhausted"},
        ),
        "customer": StripeCustomer.objects.create(
            workspace=acme, stripe_id="cus_1", last_error="Invalid value for eu_vat.", **blocked
        ),
        "sync": StripeSync.objects.create(
            invoice=invoice, last_error="Invalid currency: x1x", **blocked
        ),
    }


def shown(client: Client, **chosen: str) -> str:
    answer = client.get(reverse(LIST), chosen)
    assert answer.status_code == 200
    return answer.content.decode()


def act(client: Client, verb: str, row: object) -> int:
    address = reverse(f"finance:{verb}", args=[row._meta.label_lower, row.pk])
    return client.post(address).status_code


def test_it_says_of_every_kind_what_is_stuck_and_why(stuck: dict[str, object]) -> None:
    client = finance_client()
    page = shown(client)
    for said in (
        "“About the limit” to owner@acme.test",
        "421 try again later",
        "Write off: INV-2026-000001, asked for by fiona@platform.test",
        "Tried in vain for too long",
        "Billing details of Acme",
        "Invalid value for eu_vat.",
        "Invoice INV-2026-000001 into Stripe",
        "Invalid currency: x1x",
    ):
        assert said in page, said
    assert "On its first try" not in page
    assert "On its first try" in shown(client, show="all")


def test_one_kind_can_be_looked_at_alone(stuck: dict[str, object]) -> None:
    page = shown(finance_client(), kind="payments.stripesync")
    assert "Invalid currency" in page
    assert "eu_vat" not in page


@pytest.mark.parametrize("kind", ["email", "action", "customer", "sync"])
def test_each_is_tried_again_at_once(stuck: dict[str, object], kind: str) -> None:
    row = stuck[kind]
    assert act(finance_client(), "try_again", row) == 302
    row.refresh_from_db()
    assert (row.status, row.attempts, row.blocked_reason) == ("waiting", 0, "")
    assert LogEntry.objects.get().change_message == "It is tried again now."


@pytest.mark.parametrize(
    ("kind", "status"),
    [("email", "failed"), ("action", "failed"), ("customer", "blocked"), ("sync", "blocked")],
)
def test_only_what_nobody_owes_can_be_given_up(
    stuck: dict[str, object], kind: str, status: str
) -> None:
    row = stuck[kind]
    act(finance_client(), "give_up", row)
    row.refresh_from_db()
    assert row.status == status


def test_who_only_looks_sees_no_button_and_cannot_act(stuck: dict[str, object]) -> None:
    client = viewer_client()
    assert "Try again" not in shown(client)
    assert act(client, "try_again", stuck["email"]) == 403
    stuck["email"].refresh_from_db()
    assert stuck["email"].attempts == 3


def test_what_does_not_exist_is_not_found(stuck: dict[str, object]) -> None:
    client = finance_client()
    unknown = Email(pk="00000000-0000-4000-8000-000000000000")
    assert act(client, "try_again", unknown) == 404
    assert client.post(f"/admin/work/billing.user/{unknown.pk}/give-up/").status_code == 404


def test_the_list_takes_the_same_queries_however_long_it_is(
    stuck: dict[str, object], django_assert_max_num_queries
) -> None:
    client = finance_client()
    for number in range(120):
        Email.objects.create(
            key=str(number), kind="limit", recipients=["a@b.test"], subject="x", text="", attempts=2
        )
    with django_assert_max_num_queries(21):
        page = shown(client)
    assert "1–50 of 124" in page
    assert "101–124 of 124" in shown(client, page="3")
