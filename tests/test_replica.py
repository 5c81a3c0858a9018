"""Reads that may lag come from a streaming replica; nothing else does, and no write."""

import datetime as dt
import os
from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import InternalError, connections, transaction
from django.utils import timezone as clock

from analytics.finance import figures
from billing import replica
from billing.models import Workspace
from billing.replica import PRIMARY, REPLICA, lagging_reads, lagging_source, reading_connection
from tests.kit.personas import make_period, make_workspace, member_client
from tests.kit.replica import Replica, is_embedded
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def server(django_db_setup, django_db_blocker) -> Iterator[Replica]:
    with django_db_blocker.unblock():
        if not is_embedded():
            pytest.skip("copies the project's own PostgreSQL, and the tests use another")
        made = Replica(f"replica-{os.getpid()}")
    yield made
    made.remove()


@pytest.fixture
def standby(server: Replica, transactional_db, settings, monkeypatch) -> Iterator[Replica]:
    """After the tests' databases have been set up, and before they are emptied."""
    settings.DATABASES[REPLICA] = server.settings()
    link = connections[REPLICA]

    def ensure_connection() -> None:
        with link.wrap_database_errors:
            if link.connection is None:
                link.connect()

    # Past Django's guard, which knows the databases of the tests' beginning.
    monkeypatch.setattr(link, "ensure_connection", ensure_connection)
    settings.DATABASE_ROUTERS = ["billing.replica.ReplicaRouter"]
    replica._left_alone.clear()
    cache.clear()
    yield server
    connections[REPLICA].close()
    connections[REPLICA].close_pool()
    del connections[REPLICA]
    del settings.DATABASES[REPLICA]


def names() -> set[str]:
    return set(Workspace.objects.values_list("name", flat=True))


def test_what_may_lag_is_read_from_the_replica_as_of_when_it_is(standby):
    make_workspace("Acme")
    standby.catch_up()
    standby.ask("SELECT pg_wal_replay_pause()")
    try:
        before = clock.now()
        make_workspace("Globex")
        with lagging_reads(now=clock.now()) as as_of:
            assert names() == {"Acme"}
            assert reading_connection().alias == REPLICA
        assert before - dt.timedelta(seconds=30) < as_of < before
        assert names() == {"Acme", "Globex"}
    finally:
        standby.ask("SELECT pg_wal_replay_resume()")
    standby.catch_up()
    with lagging_reads(now=clock.now()):
        assert names() == {"Acme", "Globex"}


def test_what_lags_too_far_is_read_from_the_primary(standby, settings):
    make_workspace("Acme")
    standby.catch_up()
    settings.DATABASE_REPLICA_MAX_LAG_SECONDS = 0

    source = lagging_source(now=clock.now())

    assert source.alias == PRIMARY
    assert abs(clock.now() - source.as_of) < dt.timedelta(seconds=10)


def test_a_transaction_reads_what_it_has_written(standby):
    with transaction.atomic():
        make_workspace("Acme")
        with lagging_reads(now=clock.now()):
            assert names() == {"Acme"}
            assert reading_connection().alias == PRIMARY


def test_writes_go_to_the_primary(standby):
    make_workspace("Acme")
    standby.catch_up()
    with lagging_reads(now=clock.now()):
        acme = Workspace.objects.get(name="Acme")
        acme.name = "Acme Ltd"
        acme.save(update_fields=["name"])
        with pytest.raises(InternalError, match=r"read-only|recovery"):
            acme.save(using=REPLICA, update_fields=["name"])

    assert names() == {"Acme Ltd"}


def test_finance_sees_figures_as_of_the_replica_and_an_export_is_read_from_it(standby):
    acme = make_workspace("Acme")
    now = clock.now()
    make_period(acme, now)
    make_usage(acme, now, "1", "0.10", key="one")
    standby.catch_up()
    standby.ask("SELECT pg_wal_replay_pause()")
    try:
        make_usage(acme, now, "1", "0.10", key="two")
        owner = member_client(acme)
        found = figures.overview(now=now)
        lines = owner.get(f"/w/{acme.pk}/usage.csv").getvalue().decode().splitlines()
    finally:
        standby.ask("SELECT pg_wal_replay_resume()")

    assert found.at < clock.now()
    assert len(lines) == 2
    assert "one" in lines[1]


def test_a_replica_that_is_away_is_done_without_and_asked_again_later(standby, caplog):
    make_workspace("Acme")
    standby.stop()

    with lagging_reads(now=clock.now()):
        assert names() == {"Acme"}

    assert lagging_source(now=clock.now()).alias == PRIMARY
    assert caplog.text.count("the replica cannot be read") == 1
