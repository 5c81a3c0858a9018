"""A mail server or a Stripe that takes connections and says nothing: one waits, not everyone."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from pytest_django import Settings

from billing import outage
from billing.models import Email
from billing.services.emails import EMAILS, deliver
from billing.smtp import MAIL_SERVER
from billing.stripe_accounts import DEFAULT
from invoices.payments.services import stripe_client
from invoices.payments.services.stripe_client import outage as outage_of
from invoices.payments.services.stripe_errors import StripeUnavailable
from tests.billing.test_smtp import serving
from tests.kit.personas import NOW
from tests.kit.ports import refusing_port
from tests.kit.silent_server import SilentServer, silent_server

pytestmark = pytest.mark.django_db


@pytest.fixture
def silent() -> Iterator[SilentServer]:
    with silent_server() as server:
        yield server


@pytest.fixture(autouse=True)
def _all_are_well() -> Iterator[None]:
    yield
    MAIL_SERVER.end()
    outage_of(DEFAULT).end()


def the_pause_is_over() -> None:
    cache.delete("outage:the-mail-server")


def emails(number: int) -> list[Email]:
    return [
        Email.objects.create(
            key=f"key {each}",
            kind="limit",
            recipients=["zoe@acme.test"],
            subject="Hello",
            text="Hello",
            requested_at=NOW,
            next_attempt_at=NOW,
        )
        for each in range(number)
    ]


def test_one_mail_waits_for_a_silent_server_and_the_others_are_put_off(
    settings: Settings, silent: SilentServer
) -> None:
    settings.EMAIL_BACKEND = "billing.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", silent.port
    settings.EMAIL_USE_TLS, settings.EMAIL_TIMEOUT = False, 0.2
    waiting = emails(20)

    assert [deliver(email_id=each.pk, now=NOW) for each in waiting] == [False] * 20
    assert silent.connections() == 1
    assert Email.objects.filter(status="waiting", next_attempt_at__gt=NOW).count() == 20
    said = set(Email.objects.exclude(pk=waiting[0].pk).values_list("last_error", flat=True))
    assert said == {"The mail server did not answer a moment ago and is left alone for now."}

    # After the pause one finds out for all.
    the_pause_is_over()
    for each in waiting:
        EMAILS.retry_now(each.pk, NOW)
    assert [deliver(email_id=each.pk, now=NOW) for each in waiting] == [False] * 20
    assert silent.connections() == 2


def test_once_it_answers_all_go_on(settings: Settings, silent: SilentServer) -> None:
    with serving(settings, offers=["8BITMIME"]) as server:
        answering = settings.EMAIL_PORT
        settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = silent.port, 0.2
        first, second, third = emails(3)
        assert not deliver(email_id=first.pk, now=NOW)
        settings.EMAIL_PORT = answering
        assert not deliver(email_id=second.pk, now=NOW)

        the_pause_is_over()
        assert deliver(email_id=third.pk, now=NOW)
        for each in (first, second):
            EMAILS.retry_now(each.pk, NOW)
            assert deliver(email_id=each.pk, now=NOW)
    assert len(server.mails) == 3


def test_a_mail_server_that_is_down_costs_no_time_and_is_asked_each_time(
    settings: Settings, silent: SilentServer
) -> None:
    settings.EMAIL_BACKEND = "billing.smtp.EmailBackend"
    settings.EMAIL_HOST = "127.0.0.1"
    settings.EMAIL_USE_TLS = False
    with refusing_port() as settings.EMAIL_PORT:
        for each in emails(2):
            assert not deliver(email_id=each.pk, now=NOW)
            each.refresh_from_db()
            assert "refused" in each.last_error


def test_one_request_waits_for_a_silent_stripe(settings: Settings, silent: SilentServer) -> None:
    settings.STRIPE_API_BASE = f"http://127.0.0.1:{silent.port}"
    settings.STRIPE_SECRET_KEY = "sk_test_silent"
    settings.STRIPE_TIMEOUT_SECONDS = 0.2
    settings.STRIPE_MAX_REQUESTS_PER_SECOND = 0
    with pytest.raises(StripeUnavailable, match="cannot be reached"):
        stripe_client.get(DEFAULT, "/v1/customers")
    asked = silent.connections()
    assert asked

    for _ in range(20):
        with pytest.raises(StripeUnavailable, match="did not answer a moment ago"):
            stripe_client.get(DEFAULT, "/v1/customers")
    assert silent.connections() == asked


def test_the_pause_is_short_beside_the_waits_between_tries() -> None:
    assert EMAILS.first_wait.total_seconds() >= outage.PAUSE_SECONDS
