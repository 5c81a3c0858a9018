"""A backup, restored on an empty server, is the same books: proved, sealed, and known to Stripe."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from billing.services import backups
from tests.kit.walk import Walk

pytestmark = pytest.mark.django_db(transaction=True)

# What docs/operations.md has one do, in one process so that its server stays up.
_RESTORE = """
from django.core.management import call_command
call_command("restore", {file!r})
call_command("migrate", verbosity=0)
call_command("check_ledger", "--stripe")
call_command("verify_ledger")
"""


def bare_machine(walk: Walk, directory: Path, code: str) -> subprocess.CompletedProcess[str]:
    """Run it on an empty PostgreSQL of its own, with the secrets of the system that was lost."""
    environment = {
        "PATH": os.environ["PATH"],
        "ENV_FILE": "",
        "LOCAL_DIR": str(directory),
        "REDIS_URL": os.environ["REDIS_URL"],
        "CACHE_URL": os.environ["CACHE_URL"],
        "SECRET_KEY": settings.SECRET_KEY,
        "STRIPE_SECRET_KEY": walk.sandbox.key,
        "STRIPE_API_BASE": walk.sandbox.url,
        "STRIPE_MAX_REQUESTS_PER_SECOND": "0",
    }
    return subprocess.run(
        [sys.executable, "manage.py", "shell", "--no-imports", "-c", code],
        cwd=settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_restored_month_agrees_with_its_records_its_seals_and_stripe(
    walk: Walk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    walk.go_to("2028-01-03T09:00:00+01:00")
    acme = walk.workspace("Acme")
    walk.give_card(acme, "pm_card_visa")
    walk.go_to("2028-01-10T20:00:00+01:00")
    use = {
        "workspace_id": str(acme),
        "resource_type": "call_minutes",
        "provider": "twilio",
        "quantity": "400",
        "unit_cost": "0.0125",
        "occurred_at": "2028-01-10T11:00:00+01:00",
    }
    walk.use(use, use, use)
    walk.go_to("2028-02-02T00:05:00+01:00")
    (january,) = walk.invoices(acme)
    assert (january["amount"], january["status"]) == ("67.00", "paid")

    call_command("backup", str(tmp_path / "backups"))
    (file,) = (tmp_path / "backups").glob("*.dump")
    assert file.stat().st_mode & 0o777 == 0o600
    assert backups.Manifest.beside(file).tables["usage_usagerecord"] == 3
    assert "rows" in capsys.readouterr().out

    done = bare_machine(walk, tmp_path / "machine", _RESTORE.format(file=str(file)))
    assert done.returncode == 0, done.stderr
    assert "everything agrees" in done.stdout
    assert "1 seals of 1 workspaces are as they were made" in done.stdout


def test_a_backup_that_was_changed_or_cut_off_is_not_restored(tmp_path: Path) -> None:
    call_command("backup", str(tmp_path))
    (file,) = tmp_path.glob("*.dump")
    with file.open("r+b") as content:
        content.seek(-1, os.SEEK_END)
        content.write(b"?")
    with pytest.raises(CommandError, match="is not as it was written: its SHA-256 differs"):
        call_command("restore", str(file))

    file.with_suffix(".json").unlink()
    with pytest.raises(CommandError, match=r"\.json is missing: was the backup cut off\?"):
        call_command("restore", str(file))


def test_nothing_is_restored_over_something(tmp_path: Path) -> None:
    call_command("backup", str(tmp_path))
    (file,) = tmp_path.glob("*.dump")
    with pytest.raises(CommandError, match=r"has \d+ tables: restore into an empty one"):
        call_command("restore", str(file))


def test_a_backup_of_a_newer_release_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_command("backup", str(tmp_path))
    (file,) = tmp_path.glob("*.dump")
    manifest = file.with_suffix(".json")
    facts = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(facts | {"migrations": ["billing.0999_of_tomorrow"]}))
    monkeypatch.setattr(backups, "_tables", list)

    with pytest.raises(CommandError, match=r"another release, which has billing.0999_of_tomorrow"):
        call_command("restore", str(file))


def test_an_older_server_is_not_filled_by_newer_programs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    call_command("backup", str(tmp_path))
    (file,) = tmp_path.glob("*.dump")
    manifest = file.with_suffix(".json")
    manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"tool": 18}))
    monkeypatch.setattr(backups, "_tables", list)
    monkeypatch.setattr(backups, "_server_version", lambda: 150_014)
    with pytest.raises(CommandError, match=r"the server is 15: restore into 17 or newer"):
        call_command("restore", str(file))

    found = {"/new/pg_dump": 18, "/fits/pg_dump": 16, "/old/pg_dump": 14}
    monkeypatch.setattr(backups, "_places", lambda program: iter(found))
    monkeypatch.setattr(backups, "_major", found.__getitem__)
    assert backups._tool("pg_dump") == "/fits/pg_dump"


def test_only_the_latest_backups_are_kept(tmp_path: Path) -> None:
    for day in (1, 2, 3):
        (tmp_path / f"billing-2026110{day}T000000Z.dump").touch()
        (tmp_path / f"billing-2026110{day}T000000Z.json").touch()

    call_command("backup", str(tmp_path), "--keep", "2")

    kept = sorted(each.name for each in tmp_path.iterdir())
    assert kept[:2] == ["billing-20261103T000000Z.dump", "billing-20261103T000000Z.json"]
    assert len(kept) == 4


def test_it_is_said_which_program_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_places", lambda program: iter(()))
    major = connection.pg_version // 10_000  # type: ignore[attr-defined]
    missing = rf"pg_dump of PostgreSQL {major} or newer is needed.*postgresql-client-{major}"
    with pytest.raises(CommandError, match=missing):
        call_command("backup", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
