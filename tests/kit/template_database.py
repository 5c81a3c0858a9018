"""A migrated database with the built-in rows, made once, of which every test database is a copy.

Migrating takes seconds of CPU, copying a fraction of one; so a second run, and
each process of a parallel one, starts its tests at once.
"""

import fcntl
import hashlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
from django.apps import apps
from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from psycopg import sql

from dev.embedded import postgres
from dev.embedded.files import make_local_dir, open_lock
from tests.kit.database.built_in import SOURCES

_PREFIX = "migrated_"
_FILL = """
import django
django.setup()
from dev.migrate import migrate
from tests.kit.database.built_in import add_built_in_rows
migrate()
add_built_in_rows()
"""


def migrated_template() -> str:
    """Return the name of the database to copy; it is made anew when a migration has changed."""
    name = _PREFIX + _fingerprint()
    make_local_dir(settings.LOCAL_DIR)
    with (
        open_lock(settings.LOCAL_DIR / "run" / "template.lock") as lock,
        psycopg.connect(_url("postgres"), autocommit=True) as server,
    ):
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = server.execute(
            "SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_PREFIX]
        )
        known = {datname for (datname,) in made}
        if name not in known:
            for outdated in known:
                server.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(outdated)))
            _make(server, name)
    return name


def copy_template(target: str) -> None:
    """Make what the template has in an empty database of another server, without migrating."""
    placement = postgres.PostgresService(settings.LOCAL_DIR).placement
    dump = subprocess.run(
        [placement.binary("pg_dump"), "--no-owner", _url(migrated_template())],
        capture_output=True,
        check=True,
    )
    psql = [placement.binary("psql"), "--quiet", "--set=ON_ERROR_STOP=1", f"--dbname={target}"]
    subprocess.run(psql, input=dump.stdout, stdout=subprocess.DEVNULL, check=True)


def _make(server: psycopg.Connection, name: str) -> None:
    """Under another name until it is complete, so that an interrupted run leaves no half of it."""
    unfinished = f"{_PREFIX}unfinished"
    server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
    subprocess.run(
        [sys.executable, "-c", _FILL],
        cwd=settings.BASE_DIR,
        env={**os.environ, "DATABASE_URL": _url(unfinished)},
        check=True,
    )
    rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
    server.execute(rename.format(sql.Identifier(unfinished), sql.Identifier(name)))


def _fingerprint() -> str:
    """Of all migrations' files, of what stands beside them, and of what makes built-in rows."""
    digest = hashlib.sha256()
    for path in SOURCES:
        digest.update(path.read_bytes())
    for app in apps.get_app_configs():
        package, _ = MigrationLoader.migrations_module(app.label)
        found = find_spec(package) if package else None
        if found is not None:
            for path in sorted(Path(str(found.origin)).parent.glob("*.py")):
                digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _url(database: str) -> str:
    return urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{database}").geturl()
