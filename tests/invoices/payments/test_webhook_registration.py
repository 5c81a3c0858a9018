"""The endpoint in Stripe: made once, kept right, replaced when its secret is lost or rolled."""

import io
from typing import Any

import pytest
from django.core.cache import cache
from django.core.management import CommandError, call_command
from djstripe.models import WebhookEndpoint
from pytest_django import Settings

from billing.stripe_accounts import DEFAULT
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.payments.models import RetiringWebhookSecret
from invoices.payments.services import stripe_client
from invoices.payments.webhooks.handlers import HANDLED_EVENTS
from tests.kit.deliveries import about, post

pytestmark = pytest.mark.django_db

SITE = "http://127.0.0.1:41700"


def register(*options: str, url: str = SITE) -> str:
    """What the command says."""
    out = io.StringIO()
    call_command("register_stripe_webhook", "--url", url, *options, stdout=out)
    return out.getvalue().split(":")[0]


def in_stripe() -> list[dict[str, Any]]:
    return list(stripe_client.every(DEFAULT, "/v1/webhook_endpoints"))


def test_the_endpoint_is_made_once(stripe_sandbox: SandboxProcess) -> None:
    assert register() == "Webhook endpoint created"
    assert register() == "Webhook endpoint unchanged"
    (theirs,) = in_stripe()
    ours = WebhookEndpoint.objects.get()
    assert theirs["id"] == ours.id
    assert theirs["url"] == ours.url == f"{SITE}/stripe/webhook/{ours.djstripe_uuid}/"
    assert sorted(theirs["enabled_events"]) == HANDLED_EVENTS
    assert theirs["api_version"] == "2026-08-26.dahlia"
    assert ours.secret.startswith("whsec_")
    assert "secret" not in ours.stripe_data


def test_what_stripe_signs_is_taken(stripe_sandbox: SandboxProcess) -> None:
    register()
    ours = WebhookEndpoint.objects.get()
    answer = post(ours.djstripe_uuid, about("invoice.paid"), secret=ours.secret)
    assert answer.status_code == 200


def test_an_endpoint_that_was_changed_in_stripe_is_put_right(
    stripe_sandbox: SandboxProcess,
) -> None:
    register()
    ours = WebhookEndpoint.objects.get()
    stripe_client.post(
        DEFAULT,
        f"/v1/webhook_endpoints/{ours.id}",
        {"enabled_events": ["invoice.paid"], "disabled": True},
    )
    assert register() == "Webhook endpoint updated"
    (theirs,) = in_stripe()
    assert (sorted(theirs["enabled_events"]), theirs["status"]) == (HANDLED_EVENTS, "enabled")
    assert WebhookEndpoint.objects.get().secret == ours.secret


def test_an_endpoint_whose_secret_was_lost_is_replaced(stripe_sandbox: SandboxProcess) -> None:
    register()
    (lost,) = in_stripe()
    WebhookEndpoint.objects.all().delete()
    assert register() == "Webhook endpoint created"
    (fresh,) = in_stripe()
    assert fresh["id"] != lost["id"]
    assert WebhookEndpoint.objects.get().id == fresh["id"]


def test_an_endpoint_deleted_in_stripe_is_made_anew_at_its_address(
    stripe_sandbox: SandboxProcess,
) -> None:
    register()
    before = WebhookEndpoint.objects.get()
    stripe_client.delete(DEFAULT, f"/v1/webhook_endpoints/{before.id}")
    assert register() == "Webhook endpoint replaced"
    after = WebhookEndpoint.objects.get()
    assert (after.url, after.id == before.id) == (before.url, False)
    assert after.secret != before.secret


def test_rotating_keeps_the_address_and_the_old_secret_for_a_day(
    stripe_sandbox: SandboxProcess,
) -> None:
    cache.clear()
    register()
    old = WebhookEndpoint.objects.get().secret
    assert register("--rotate") == "Webhook endpoint replaced"
    ours = WebhookEndpoint.objects.get()
    assert ours.secret != old
    assert len(in_stripe()) == 1
    for secret in (old, ours.secret):
        answer = post(ours.djstripe_uuid, about("invoice.paid"), secret=secret)
        assert answer.status_code == 200
    RetiringWebhookSecret.objects.all().delete()
    assert post(ours.djstripe_uuid, about("invoice.paid"), secret=old).status_code == 400


def test_a_secret_rolled_in_the_dashboard_is_taken_from_the_input(
    stripe_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    ours = WebhookEndpoint.objects.get()
    monkeypatch.setattr("sys.stdin", io.StringIO("whsec_rolled0123456789\n"))
    assert register("--rolled-secret") == "Webhook endpoint updated"
    for secret in (ours.secret, "whsec_rolled0123456789"):
        answer = post(ours.djstripe_uuid, about("invoice.paid"), secret=secret)
        assert answer.status_code == 200


def test_what_is_no_secret_is_not_taken_for_one(
    stripe_sandbox: SandboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    register()
    monkeypatch.setattr("sys.stdin", io.StringIO("sk_test_1234\n"))
    with pytest.raises(CommandError, match="starts with whsec_"):
        register("--rolled-secret")


def test_endpoints_of_others_in_the_same_account_stay(stripe_sandbox: SandboxProcess) -> None:
    theirs = stripe_client.post(
        DEFAULT,
        "/v1/webhook_endpoints",
        {"url": "https://other.example/hook", "enabled_events": ["invoice.paid"]},
    )
    register()
    register("--rotate")
    assert theirs["id"] in [found["id"] for found in in_stripe()]
    assert len(in_stripe()) == 2


def test_a_whole_address_may_be_given_too(stripe_sandbox: SandboxProcess) -> None:
    uuid = "0f8fad5b-d9cb-469f-a165-70867728950e"
    register(url=f"{SITE}/stripe/webhook/{uuid}/")
    assert str(WebhookEndpoint.objects.get().djstripe_uuid) == uuid


@pytest.mark.parametrize("url", ["", "billing.example", "ftp://billing.example", "https://"])
def test_what_is_no_address_is_refused(stripe_sandbox: SandboxProcess, url: str) -> None:
    with pytest.raises(CommandError, match="not the address of a site"):
        register(url=url)
    assert in_stripe() == []


def test_a_stripe_that_cannot_be_reached_is_named(db: None, settings: Settings) -> None:
    settings.STRIPE_API_BASE = "http://127.0.0.1:9"
    settings.STRIPE_SECRET_KEY = "sk_test_000000000000000000000000"
    with pytest.raises(CommandError, match="cannot be reached"):
        register()
