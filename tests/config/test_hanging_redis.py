"""A Redis that hangs: it takes connections and never answers, or is not there at all."""

import threading
import time
from collections.abc import Iterator

import pytest
from django.test import Client

from billing import queue
from billing.queue import BrokerUnavailable, enqueue, enqueue_for_sure
from config.cache import ForgivingRedisCache
from config.celery import app
from config.settings.base import CACHES
from tests.kit.silent_server import SilentServer, silent_server
from tests.kit.staff import finance_client


@pytest.fixture
def silent_redis() -> Iterator[SilentServer]:
    with silent_server() as server:
        yield server


@pytest.fixture
def silent(silent_redis: SilentServer) -> str:
    """Its address."""
    return f"redis://127.0.0.1:{silent_redis.port}/0"


@pytest.fixture(autouse=True)
def _nothing_is_paused() -> Iterator[None]:
    queue._publisher.begin()
    yield
    queue._publisher._thread.shutdown(wait=True)
    queue._publisher.begin()


@pytest.fixture
def silent_broker(silent: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("broker_write_url", "broker_url"):
        monkeypatch.setattr(app.conf, name, silent)
    monkeypatch.setattr(app.amqp, "_producer_pool", None)
    monkeypatch.setattr(app, "_pool", None)


def cache_at(address: str) -> ForgivingRedisCache:
    options = CACHES["default"]["OPTIONS"]
    assert options["socket_timeout"] < 5
    return ForgivingRedisCache(address, {"OPTIONS": {**options, "socket_timeout": 0.3}})


def test_a_cache_that_hangs_is_an_empty_one_and_waited_for_once(
    silent: str, silent_redis: SilentServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("config.cache._PAUSE_SECONDS", 3600)
    cache = cache_at(silent)

    assert cache.get("a", "nothing") == "nothing"
    asked = silent_redis.connections()
    assert asked
    for _ in range(50):
        assert cache.get("a", "nothing") == "nothing"
        assert cache.add("a", 1) is True
        assert cache.get_many(["a", "b"]) == {}
        cache.set("a", 1)
        cache.delete("a")
        with pytest.raises(ValueError, match="not in the cache"):
            cache.incr("a")
    assert silent_redis.connections() == asked


def test_a_cache_that_comes_back_is_used_again(settings, monkeypatch) -> None:
    location = settings.CACHES["default"]["LOCATION"]
    cache = cache_at(location)
    now = time.monotonic()
    monkeypatch.setitem(ForgivingRedisCache._paused, str([location]), now + 60)
    cache.set("a", 1)
    assert cache.get("a") is None

    monkeypatch.setitem(ForgivingRedisCache._paused, str([location]), now)
    cache.set("a", 1)
    assert cache.get("a") == 1
    assert cache.incr("a") == 2
    cache.delete("a")


def test_nobody_waits_for_a_broker_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    answers, sent = threading.Event(), []

    def hang(*args: object) -> None:
        answers.wait(30)
        sent.append(args)

    monkeypatch.setattr(queue, "_send", hang)
    for number in range(1000):
        enqueue("billing.deliver_email", str(number))
    assert sent == []

    answers.set()
    queue._publisher._thread.shutdown(wait=True)
    assert len(sent) == 1000


@pytest.mark.usefixtures("silent_broker")
def test_a_broker_that_hangs_is_given_up_in_a_few_seconds() -> None:
    for name in ("socket_timeout", "socket_connect_timeout"):
        assert 0 < app.conf.broker_transport_options[name] < 5


@pytest.mark.usefixtures("silent_broker")
def test_after_a_failure_a_broker_is_left_alone_for_a_while(caplog) -> None:
    for number in range(5):
        enqueue("billing.deliver_email", str(number))
    queue._publisher._thread.shutdown(wait=True)

    told = [each for each in caplog.records if "its sweep will" in each.getMessage()]
    assert len(told) == 1
    assert "billing.deliver_email('0',)" in told[0].getMessage()


@pytest.mark.usefixtures("silent_broker")
def test_what_no_sweep_would_find_is_refused() -> None:
    with pytest.raises(BrokerUnavailable, match="nothing was started"):
        enqueue_for_sure("payments.reconcile")


@pytest.mark.django_db
@pytest.mark.usefixtures("silent_broker")
def test_finance_opens_its_pages_and_is_told_that_nothing_was_started(
    monkeypatch: pytest.MonkeyPatch, silent: str
) -> None:
    client: Client = finance_client()
    monkeypatch.setattr("analytics.finance.figures.cache", cache_at(silent))

    assert client.get("/admin/").status_code == 200
    answer = client.post("/admin/month-end/start/", follow=True)
    assert "The month end could not be started: Redis cannot be reached" in answer.content.decode()


def test_a_publisher_works_in_a_process_that_was_forked(monkeypatch) -> None:
    sent = []
    monkeypatch.setattr(queue, "_send", lambda *args: sent.append(args))
    enqueue("billing.deliver_email", "before")
    queue._publisher._thread.submit(int).result()

    queue._publisher.begin()
    enqueue("billing.deliver_email", "after")
    queue._publisher._thread.submit(int).result()

    assert [args for _, args, _ in sent] == [("before",), ("after",)]
    assert threading.active_count() > 1
