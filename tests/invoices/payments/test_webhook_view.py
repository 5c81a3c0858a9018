"""What is not a delivery of Stripe's is neither stored nor acted upon."""

import datetime as dt
import json
import time
from ipaddress import ip_network
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import timezone as clock
from djstripe.models import Event, WebhookEndpoint, WebhookEventTrigger
from pytest_django import Settings

from invoices.models import Invoice
from invoices.payments.models import HandledEvent, RetiringWebhookSecret
from tests.kit.deliveries import SECRET, about, endpoint, post, signature
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace

pytestmark = pytest.mark.django_db

OLD_SECRET = "whsec_old9876543210"


@pytest.fixture
def here(db: None) -> WebhookEndpoint:
    cache.clear()
    return endpoint()


@pytest.fixture
def acme_invoice(db: None) -> Invoice:
    return make_invoice(make_workspace("Acme"), stripe_invoice_id="in_1")


def nothing_was_stored() -> bool:
    return not WebhookEventTrigger.objects.exists() and not Event.objects.exists()


def test_a_signed_event_is_taken(here: WebhookEndpoint, acme_invoice: Invoice) -> None:
    assert post(here.djstripe_uuid, about("invoice.paid")).status_code == 200
    acme_invoice.refresh_from_db()
    assert acme_invoice.status == "paid"
    delivery = WebhookEventTrigger.objects.get()
    assert (delivery.valid, delivery.processed) == (True, True)


@pytest.mark.parametrize(
    "header",
    ["", "nonsense", "t=,v1=", "v1=abc", "t=99999999999999999999,v1=abc", "t=1,t=2,v1=abc"],
)
def test_a_request_without_a_proper_signature_is_refused(
    here: WebhookEndpoint, header: str
) -> None:
    answer = post(here.djstripe_uuid, about("invoice.paid"), header=header)
    assert answer.status_code == 400
    assert nothing_was_stored()


def test_a_signature_of_another_secret_is_refused(
    here: WebhookEndpoint, acme_invoice: Invoice
) -> None:
    answer = post(here.djstripe_uuid, about("invoice.paid"), secret="whsec_forged")
    assert answer.status_code == 400
    assert nothing_was_stored()
    acme_invoice.refresh_from_db()
    assert acme_invoice.status == "open"


def test_a_signature_of_another_body_is_refused(here: WebhookEndpoint) -> None:
    header = signature(json.dumps(about("invoice.voided")).encode())
    assert post(here.djstripe_uuid, about("invoice.paid"), header=header).status_code == 400
    assert nothing_was_stored()


@pytest.mark.parametrize(
    ("seconds", "status"), [(-290, 200), (290, 200), (-310, 400), (310, 400), (86_400, 400)]
)
def test_only_signatures_of_the_last_five_minutes_are_taken(
    here: WebhookEndpoint, seconds: int, status: int
) -> None:
    answer = post(here.djstripe_uuid, about("invoice.paid"), at=time.time() + seconds)
    assert answer.status_code == status


def test_an_event_of_live_mode_is_refused_in_test_mode(here: WebhookEndpoint) -> None:
    payload = {**about("invoice.paid"), "livemode": True}
    answer = post(here.djstripe_uuid, payload)
    assert answer.status_code == 400
    assert b"test mode" in answer.content
    assert nothing_was_stored()


def test_an_event_of_test_mode_is_refused_in_live_mode(
    here: WebhookEndpoint, settings: Settings
) -> None:
    settings.STRIPE_LIVE_MODE = True
    assert post(here.djstripe_uuid, about("invoice.paid")).status_code == 400


@pytest.mark.parametrize("livemode", ["false", 0, None, "live"])
def test_a_mode_that_is_no_boolean_is_refused(here: WebhookEndpoint, livemode: object) -> None:
    payload = {**about("invoice.paid"), "livemode": livemode}
    assert post(here.djstripe_uuid, payload).status_code == 400


def test_an_event_that_does_not_tell_its_mode_is_taken_by_its_signature(
    here: WebhookEndpoint, acme_invoice: Invoice
) -> None:
    payload = about("invoice.paid")
    del payload["livemode"], payload["api_version"], payload["request"]
    assert post(here.djstripe_uuid, payload).status_code == 200
    acme_invoice.refresh_from_db()
    assert acme_invoice.status == "paid"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"17",
        b"null",
        b'"text"',
        b"[]",
        b"{}",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"id": 5, "type": "invoice.paid", "data": {"object": {}}}',
        b'{"id": "evt_1", "data": {"object": {}}}',
        b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": []}}',
        b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": {"a": "\\u0000"}}}',
        b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": {"\\u0000": 1}}}',
        b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": {"a": "\\ud800"}}}',
        b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": {"a": NaN}}}',
        b'{"id": "evt_1", "type": "invoice.paid", "data": {"object": {"a": 1e999}}}',
        b'{"id": "evt_\x00", "type": "invoice.paid", "data": {"object": {}}}',
    ],
)
def test_a_signed_body_that_is_no_event_is_refused(here: WebhookEndpoint, body: bytes) -> None:
    answer = post(here.djstripe_uuid, body)
    assert answer.status_code == 400
    assert nothing_was_stored()


def test_a_body_of_more_than_512_kilobytes_is_refused(here: WebhookEndpoint) -> None:
    payload = about("invoice.paid", description="x" * 512 * 1024)
    assert post(here.djstripe_uuid, payload).status_code == 413
    assert nothing_was_stored()


def test_an_unknown_endpoint_is_not_found(here: WebhookEndpoint) -> None:
    assert post(uuid4(), about("invoice.paid")).status_code == 404


def test_an_endpoint_without_a_secret_takes_nothing(db: None) -> None:
    bare = endpoint(secret="")
    assert post(bare.djstripe_uuid, about("invoice.paid"), secret="").status_code == 404


def test_events_are_only_posted(here: WebhookEndpoint) -> None:
    assert Client().get(f"/stripe/webhook/{here.djstripe_uuid}/").status_code == 405


def test_two_secrets_are_valid_while_one_replaces_the_other(here: WebhookEndpoint) -> None:
    RetiringWebhookSecret.objects.create(
        endpoint_uuid=here.djstripe_uuid,
        secret=OLD_SECRET,
        valid_until=clock.now() + dt.timedelta(hours=1),
    )
    for secret in (SECRET, OLD_SECRET):
        answer = post(here.djstripe_uuid, about("invoice.paid"), secret=secret)
        assert answer.status_code == 200
    assert WebhookEventTrigger.objects.filter(valid=True).count() == 2


def test_a_retired_secret_is_no_longer_valid_after_its_time(here: WebhookEndpoint) -> None:
    RetiringWebhookSecret.objects.create(
        endpoint_uuid=here.djstripe_uuid,
        secret=OLD_SECRET,
        valid_until=clock.now() - dt.timedelta(seconds=1),
    )
    answer = post(here.djstripe_uuid, about("invoice.paid"), secret=OLD_SECRET)
    assert answer.status_code == 400


def test_a_signature_by_both_secrets_is_valid(here: WebhookEndpoint) -> None:
    """So Stripe signs while a secret is being rolled."""
    body = json.dumps(about("invoice.paid")).encode()
    old = signature(body, secret=OLD_SECRET)
    both = f"{old},{signature(body).split(',')[1]}"
    assert post(here.djstripe_uuid, body, header=both).status_code == 200


def test_with_debug_on_the_sender_does_not_choose_the_secret(
    here: WebhookEndpoint, settings: Settings
) -> None:
    settings.DEBUG = True
    answer = post(
        here.djstripe_uuid,
        about("invoice.paid"),
        secret="whsec_mine",
        HTTP_X_DJSTRIPE_WEBHOOK_SECRET="whsec_mine",
    )
    assert answer.status_code == 400
    assert nothing_was_stored()


def test_cookies_and_authorization_are_not_stored(here: WebhookEndpoint) -> None:
    post(
        here.djstripe_uuid,
        about("invoice.paid"),
        HTTP_COOKIE="sessionid=secret",
        HTTP_AUTHORIZATION="Bearer secret",
        HTTP_X_FORWARDED_FOR="not an address",
        HTTP_X_DJSTRIPE_WEBHOOK_SECRET="secret",
    )
    stored = WebhookEventTrigger.objects.get()
    assert "secret" not in json.dumps(stored.headers)
    assert set(stored.headers) <= {
        "Stripe-Signature",
        "Content-Type",
        "Content-Length",
        "Host",
        "User-Agent",
    }
    assert stored.remote_ip == "127.0.0.1"


def test_who_keeps_sending_junk_is_told_to_stop_but_stripe_still_gets_through(
    here: WebhookEndpoint, settings: Settings
) -> None:
    settings.STRIPE_WEBHOOK_REFUSALS_PER_MINUTE = 3
    statuses = [
        post(here.djstripe_uuid, about("invoice.paid"), secret="whsec_forged").status_code
        for _ in range(5)
    ]
    assert statuses == [400, 400, 400, 429, 429]
    assert post(here.djstripe_uuid, about("invoice.paid")).status_code == 200


def test_behind_a_proxy_junk_is_counted_by_the_address_that_the_proxy_saw(
    here: WebhookEndpoint, settings: Settings
) -> None:
    settings.BEHIND_PROXY = True
    settings.STRIPE_WEBHOOK_REFUSALS_PER_MINUTE = 1
    statuses = [
        post(
            here.djstripe_uuid,
            about("invoice.paid"),
            secret="whsec_forged",
            HTTP_X_FORWARDED_FOR=f"10.9.8.7, {address}",
        ).status_code
        for address in ("192.0.2.1", "192.0.2.1", "192.0.2.2")
    ]
    assert statuses == [400, 429, 400]


def test_behind_two_proxies_the_sender_is_not_taken_for_the_inner_one(
    here: WebhookEndpoint, settings: Settings
) -> None:
    settings.BEHIND_PROXY = True
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8"), ip_network("127.0.0.0/8")]
    post(here.djstripe_uuid, about("invoice.paid"), HTTP_X_FORWARDED_FOR="192.0.2.1, 10.0.0.2")
    assert WebhookEventTrigger.objects.get().remote_ip == "192.0.2.1"


def test_nothing_is_handled_of_what_is_refused(here: WebhookEndpoint) -> None:
    post(here.djstripe_uuid, about("invoice.paid"), secret="whsec_forged")
    assert not HandledEvent.objects.exists()
