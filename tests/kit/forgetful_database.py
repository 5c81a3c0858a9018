"""The tests' own PostgreSQL, relieved of what only a crash of the machine makes worth its time."""

from urllib.parse import parse_qsl, urlencode, urlsplit

import psycopg

_STATEMENTS = (
    # No flush to disk at commits, checkpoints and copies of databases.
    "ALTER SYSTEM SET fsync = off",
    "ALTER SYSTEM SET full_page_writes = off",
    "ALTER SYSTEM SET synchronous_commit = off",
    # Rows that a trigger guards can then be deleted, instead of making the table's files anew.
    "GRANT SET ON PARAMETER session_replication_role TO billing",
    "SELECT pg_reload_conf()",
)


def forget_on_crash(database_url: str) -> None:
    """Nothing to do where it has been done."""
    url = urlsplit(database_url)
    query = urlencode(dict(parse_qsl(url.query)))
    admin = url._replace(netloc="postgres@", path="/postgres", query=query).geturl()
    with psycopg.connect(admin, autocommit=True) as server:
        row = server.execute("SHOW fsync").fetchone()
        if row != ("off",):
            for statement in _STATEMENTS:
                server.execute(statement)
