"""An export of sealed records is verified without the system that made it."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from uuid import UUID

import pytest
from django.core.management import call_command
from pytest_django import DjangoDbBlocker, Settings

from billing.models import Workspace
from tests.kit.closed import NOVEMBER_3, make_closed_months
from tests.kit.kept import kept_for_module
from usage import verify_export
from usage.services import sealing

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def closed_months(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[UUID]:
    with kept_for_module(django_db_blocker):
        yield make_closed_months().pk


@pytest.fixture
def acme(closed_months: UUID) -> Workspace:
    return Workspace.objects.get(pk=closed_months)


@pytest.fixture
def sealed(acme: Workspace) -> Workspace:
    assert sealing.seal_closed_periods(now=NOVEMBER_3) == 2
    return acme


def exported(workspace: Workspace, folder: Path) -> Path:
    call_command("verify_ledger", "--export", str(folder), stdout=StringIO())
    return folder / str(workspace.pk)


def checked(folder: Path, *options: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-I", str(folder / "verify_export.py"), str(folder), *options],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout


def test_an_export_is_verified_by_the_stand_alone_checker(
    acme: Workspace, tmp_path: Path, settings: Settings
):
    settings.SEAL_KEYS = ["correct horse"]
    sealing.seal_closed_periods(now=NOVEMBER_3)
    exported(acme, tmp_path)
    key = tmp_path.with_name("seal.key")
    key.write_text("correct horse\n")
    head = sealing.heads()[0].digest
    code, said = checked(tmp_path, "--head", head, "--key-file", str(key))
    assert (code, said) == (0, "2 seals over 6 records, 0 differences\n")
    key.write_text("another")
    assert checked(tmp_path, "--key-file", str(key))[0] == 1


def _one_digit(folder: Path) -> None:
    path = folder / "1.ndjson"
    path.write_text(path.read_text().replace('"3.250000"', '"3.350000"'))


def _one_line(folder: Path) -> None:
    path = folder / "1.ndjson"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[1:]))


def _last_seal(folder: Path) -> None:
    path = folder / "seals.ndjson"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def _seal_text(folder: Path) -> None:
    path = folder / "seals.ndjson"
    path.write_text(path.read_text().replace('\\"records\\":3', '\\"records\\":2', 1))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_one_digit, "is not the one that was sealed"),
        (_one_line, "is missing or was changed"),
        (_last_seal, "the chain was cut or replaced"),
        (_seal_text, "its text does not have its digest"),
    ],
)
def test_the_stand_alone_checker_names_what_was_changed(
    sealed: Workspace, tmp_path: Path, change: Callable[[Path], None], said: str
):
    folder = exported(sealed, tmp_path)
    change(folder)
    code, output = checked(tmp_path, "--head", sealing.heads()[0].digest)
    assert code == 1
    assert said in output


def test_the_checker_is_short_and_needs_the_standard_library_only():
    text = Path(verify_export.__file__).read_text()
    assert len(text.splitlines()) <= 100
    imports = [line.split()[1] for line in text.splitlines() if line.startswith(("import", "from"))]
    assert {name.split(".")[0] for name in imports} <= sys.stdlib_module_names


def test_ids_of_the_export_are_those_of_the_records(sealed: Workspace, tmp_path: Path):
    folder = exported(sealed, tmp_path)
    lines = [json.loads(line) for line in (folder / "1.ndjson").read_text().splitlines()]
    assert [UUID(each["id"]) for each in lines] == sorted(UUID(each["id"]) for each in lines)
    assert {each["idempotency_key"] for each in lines} == {
        "call-1",
        "call-3",
        'quote " backslash \\ 日本',
    }
    one = next(each for each in lines if each["idempotency_key"] == "call-1")
    assert (one["quantity"], one["unit_cost"], one["late"]) == ("3.250000", "0.0125000000", False)
    assert one["occurred_at"] == "2026-10-05 12:00:00+00"
