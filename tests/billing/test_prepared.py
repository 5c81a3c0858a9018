"""Hot statements keep the plan they were prepared with."""

import psycopg
import pytest
from django.db import connection, transaction

from billing.prepared import numbered, prepared_cursor

pytestmark = pytest.mark.django_db(transaction=True)
# PostgreSQL would rather plan this one again and again: it looks cheaper for few ids.
HOT = "SELECT id FROM billing_workspace WHERE id = ANY(%s::uuid[])"


@pytest.fixture(autouse=True)
def unknown_connection():
    """One that nobody has used yet."""
    connection.close()
    connection.close_pool()


def test_a_numbered_statement_takes_values_in_their_order():
    statement = numbered("""SELECT %s::int %% %s::int,
                                   %s::text""")

    assert statement == b"SELECT $1::int % $2::int, $3::text"
    connection.ensure_connection()
    with psycopg.RawCursor(connection.connection) as cursor:
        cursor.execute(statement, [7, 4, "100%s"], prepare=True)
        assert cursor.fetchone() == (3, "100%s")


def ask(times: int) -> None:
    for _ in range(times):
        with prepared_cursor() as cursor:
            cursor.execute(HOT, ["{0bc73c5c-7d9f-4dd0-8b69-9b7c0ee4ba55}"], prepare=True)


def plans() -> tuple[int, int]:
    """How often it was run by the plan it was prepared with, and by one of its own."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT generic_plans, custom_plans FROM pg_prepared_statements"
            " WHERE statement LIKE '%%billing_workspace WHERE id%%'"
        )
        return cursor.fetchone()


def test_a_hot_statement_is_planned_once():
    ask(20)

    assert plans() == (20, 0)


def test_so_it_is_in_a_transaction_and_after_one_that_is_rolled_back():
    with transaction.atomic():
        ask(2)
        assert plans() == (2, 0)
        transaction.set_rollback(True)
    ask(20)

    # A rollback makes psycopg forget what it has prepared.
    assert plans() == (20, 0)
