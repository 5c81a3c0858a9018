"""Importing files of usage: a bad line is one refusal, and every message is true."""

import csv
import gzip
import io
import json
from pathlib import Path
from uuid import uuid5

import pytest
import time_machine
from django.core.management import CommandError, call_command

from billing.models import Workspace
from tests.kit.personas import NOW, make_workspace
from usage.models import UsageRecord
from usage.services.ingest.parsing import MAX_RECORDS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]
HEADER = "idempotency_key,workspace_id,resource_type,provider,quantity,unit_cost,occurred_at"


@pytest.fixture
def noon():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def acme() -> Workspace:
    return make_workspace("Acme")


def row(acme: Workspace, key: str, quantity: str = "3.25", delimiter: str = ",") -> str:
    values = (key, str(acme.pk), "call_minutes", "twilio", quantity, "0.0125", "2026-11-20T10:00Z")
    return delimiter.join(values)


def record(acme: Workspace, key: str) -> str:
    names = HEADER.split(",")
    return json.dumps(dict(zip(names, row(acme, key).split(","), strict=True)))


def run(path: Path, *options: str) -> tuple[str, str]:
    """What the command says when it ends, and the error it ends with, if any."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command("import_usage", str(path), *options, stdout=out, stderr=err)
    except CommandError as error:
        return out.getvalue().strip(), str(error)
    return out.getvalue().strip(), ""


def recorded(acme: Workspace) -> set[str]:
    return set(UsageRecord.objects.values_list("idempotency_key", flat=True))


def refusals(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_bad_line_byte_or_quote_stops_nothing(acme, tmp_path):
    file = tmp_path / "usage.csv"
    lines = [HEADER, *(row(acme, f"k{n}") for n in range(6))]
    lines[2] = f'"k1,{lines[2]}'  # a quote that is never closed
    lines[4] = row(acme, "k3", "many")
    content = "\n".join(lines).encode()
    file.write_bytes(content.replace(b"k4", b"k\xff4"))

    said, failed = run(file)

    assert said == "6 lines: 3 recorded, 0 known before, 3 refused"
    assert failed == "3 lines were not recorded"
    assert recorded(acme) == {"k0", "k2", "k5"}
    told = refusals(tmp_path / "usage.csv.refused.csv")
    assert [(each["line"], each["code"], each["field"]) for each in told] == [
        ("3", "malformed_csv", ""),
        ("5", "invalid_decimal", "quantity"),
        ("6", "not_utf8", ""),
    ]


def test_a_report_can_be_mended_and_imported_and_goes_when_all_is_well(acme, tmp_path):
    file, report = tmp_path / "usage.csv", tmp_path / "usage.csv.refused.csv"
    file.write_text("\n".join([HEADER, row(acme, "k0"), row(acme, "k1", "many")]))
    run(file)

    mended = tmp_path / "mended.csv"
    mended.write_text(report.read_text().replace("many", "7"))
    assert run(mended) == ("1 lines: 1 recorded, 0 known before, 0 refused", "")
    assert recorded(acme) == {"k0", "k1"}

    file.write_text("\n".join([HEADER, row(acme, "k0"), row(acme, "k1", "7")]))
    assert run(file) == ("2 lines: 0 recorded, 2 known before, 0 refused", "")
    assert not report.exists()


def test_a_report_that_cannot_be_written_is_said_before_anything_is_recorded(acme, tmp_path):
    file = tmp_path / "usage.csv"
    file.write_text("\n".join([HEADER, row(acme, "k0")]))

    for where in (tmp_path / "missing" / "refused.csv", tmp_path, file):
        _, failed = run(file, "--refused", str(where))
        assert "Nothing was recorded" in failed or "name another one" in failed
    assert not recorded(acme)
    assert file.read_text().startswith(HEADER)


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda header, rows: "\ufeff" + "\n".join([header, *rows]), id="BOM"),
        pytest.param(lambda header, rows: "\r\n".join([header.upper(), "", *rows]), id="CRLF"),
        pytest.param(lambda header, rows: "\n".join(["sep=,", header, *rows]), id="sep"),
        pytest.param(
            lambda header, rows: "\n".join([header, *rows, "", ",,,,,,"]).replace(",", ";"),
            id="semicolons",
        ),
        pytest.param(lambda header, rows: "\n".join([header, *rows]).replace(",", "\t"), id="tabs"),
        pytest.param(
            lambda header, rows: "\n".join([f" {header} ,", *[f"{each}," for each in rows]]),
            id="spaces and an empty column",
        ),
    ],
)
def test_csv_comes_in_many_forms(acme, tmp_path, write):
    file = tmp_path / "usage.csv"
    file.write_text(write(HEADER, [row(acme, "k0"), row(acme, "k1")]), newline="")

    assert run(file) == ("2 lines: 2 recorded, 0 known before, 0 refused", "")
    assert recorded(acme) == {"k0", "k1"}


def test_ndjson_comes_with_a_bom_and_empty_lines(acme, tmp_path):
    file = tmp_path / "usage.ndjson"
    bad = '{"idempotency_key": "k1"'
    lines = ["\ufeff", record(acme, "k0"), "", bad, record(acme, "k2"), record(acme, "k0")]
    file.write_text("\r\n".join(lines), newline="")

    said, _ = run(file)

    assert said == "4 lines: 2 recorded, 1 known before, 1 refused"
    assert recorded(acme) == {"k0", "k2"}
    [told] = refusals(tmp_path / "usage.ndjson.refused.csv")
    assert (told["line"], told["code"], told["text"]) == ("4", "malformed_json", bad)
    # The report is a file of records itself: mended, its line is recorded.
    report = tmp_path / "usage.ndjson.refused.csv"
    with (tmp_path / "mended.csv").open("w", newline="") as mended:
        writer = csv.DictWriter(mended, told, delimiter=";")
        writer.writeheader()
        writer.writerow(told | {"text": record(acme, "k1")})
    assert report.exists()
    assert run(tmp_path / "mended.csv")[0] == "1 lines: 1 recorded, 0 known before, 0 refused"
    assert recorded(acme) == {"k0", "k1", "k2"}


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'[{"idempotency_key": "k"}]', "JSON array"),
        (b'{"records": [{"idempotency_key": "k"}]}', "JSON document"),
        (b'{\n  "idempotency_key": "k"\n}', "JSON document"),
        (b"PK\x03\x04....", "Excel workbook"),
        ("idempotency_key".encode("utf-16"), "UTF-16"),
        (b"\x1f\x8bgarbage", "cannot be read"),
        (b"BZh91AY", "bzip2"),
        (f"{HEADER},Provider\n".encode(), "names the column provider twice"),
        (f"{HEADER},price\n".encode(), "unknown column price"),
        (b"idempotency_key,provider\nk,twilio\n", "no column workspace_id, resource_type"),
        (f"{HEADER}\rk,1\r".encode(), "CR alone"),
    ],
)
def test_what_is_something_else_is_refused_by_its_name(acme, tmp_path, content, name):
    file = tmp_path / "usage"
    file.write_bytes(content)

    said, failed = run(file)

    assert name in failed
    assert "Nothing was recorded" in failed
    assert said == ""
    assert not (tmp_path / "usage.refused.csv").exists()


def test_a_cut_gzip_keeps_what_came_before_and_says_so(acme, tmp_path):
    file = tmp_path / "usage.csv.gz"
    # Keys that do not compress, so that the cut is in the middle.
    rows = [row(acme, str(uuid5(acme.pk, str(n)))) for n in range(400)]
    packed = gzip.compress("\n".join([HEADER, *rows]).encode())
    file.write_bytes(packed[: len(packed) // 2])

    said, failed = run(file)

    kept = UsageRecord.objects.count()
    assert 100 < kept < 300
    assert said == f"{kept} lines: {kept} recorded, 0 known before, 0 refused"
    assert f"cut short or damaged after line {kept + 1}" in failed
    assert "What is counted above is recorded; nothing after it is." in failed
    # Whole, and of two streams with padding behind, as some tools write it.
    file.write_bytes(packed + gzip.compress(b"\n") + b"\0" * 512)
    assert run(file) == (
        f"400 lines: {400 - kept} recorded, {kept} known before, 0 refused",
        "",
    )


def test_a_line_without_an_end_is_one_refusal(acme, tmp_path):
    file = tmp_path / "usage.csv"
    file.write_text("\n".join([HEADER, row(acme, "k" * 1_000_000), row(acme, "k1")]))

    said, _ = run(file)

    assert said == "2 lines: 1 recorded, 0 known before, 1 refused"
    assert refusals(tmp_path / "usage.csv.refused.csv")[0]["code"] == "line_too_long"


def test_a_line_with_more_values_than_columns_is_refused(acme, tmp_path):
    file = tmp_path / "usage.csv"
    file.write_text("\n".join([HEADER, row(acme, "k0") + ",what,is", row(acme, "k1")]))

    run(file)

    [told] = refusals(tmp_path / "usage.csv.refused.csv")
    assert (told["code"], json.loads(told["text"])["more"]) == ("extra_cell", "what,is")
    assert recorded(acme) == {"k1"}


def test_more_lines_than_a_request_may_have_are_recorded(acme, tmp_path):
    file = tmp_path / "usage.csv"
    file.write_text("\n".join([HEADER, *(row(acme, f"k{n}") for n in range(MAX_RECORDS + 1))]))

    said, _ = run(file)

    assert said == f"{MAX_RECORDS + 1} lines: {MAX_RECORDS + 1} recorded, 0 known before, 0 refused"
