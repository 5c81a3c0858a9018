"""Whether a server of PostgreSQL answers, and that a slow statement is no server that hangs.

`tests/usage/test_crashes.py` stops a real one under load.
"""

import socket

import pytest
from django.db import OperationalError, connection
from django.db.utils import DatabaseError

from config.database import base
from config.database.base import Server, Watch, WatchedConnection
from tests.kit.ports import refusing_port


@pytest.fixture(autouse=True)
def _nothing_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "_watches", {})
    monkeypatch.setattr(base, "_noticed", [0.0])


def server_at(port: int) -> Server:
    return Server("localhost", "127.0.0.1", str(port))


def test_who_takes_connections_and_says_nothing_does_not_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert not server_at(silent.getsockname()[1]).answers(within=0.2)


def test_who_refuses_connections_does_not_hang() -> None:
    with refusing_port() as port:
        assert server_at(port).answers(within=5)


@pytest.mark.django_db
def test_a_slow_statement_is_waited_for_while_its_server_answers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base, "QUIET_SECONDS", 0.05)
    with connection.cursor() as cursor:
        assert isinstance(connection.connection, WatchedConnection)
        cursor.execute("SELECT pg_sleep(0.5), 7")
        assert cursor.fetchone()[1] == 7

    (watch,) = Watch._watches.values()
    assert watch._asked_at > 0
    assert not watch.hangs()


@pytest.mark.django_db(transaction=True)
def test_a_statement_is_given_up_when_its_server_does_not_answer_and_others_do_not_begin(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    connection.ensure_connection()
    monkeypatch.setattr(base, "_FRESH_SECONDS", 0.0)
    monkeypatch.setattr(base, "QUIET_SECONDS", 0.05)
    monkeypatch.setattr(base, "_answers", lambda *args, **options: False)
    with connection.cursor() as cursor, pytest.raises(OperationalError, match="does not answer"):
        cursor.execute("SELECT pg_sleep(1)")
    connection.close()
    with pytest.raises(DatabaseError, match="does not answer"):
        connection.ensure_connection()

    monkeypatch.setattr(base, "_answers", lambda *args, **options: True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT 7")
        assert cursor.fetchone() == (7,)
