"""Workbooks: numbers as numbers, times on a clock, no formulas, as many sheets as it takes."""

import datetime as dt
import io
import re
import zipfile
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from billing import exports
from billing.exports import xlsx_response
from billing.tables import Column, Kind, table_response


def opened(rows: list[list[object]]) -> zipfile.ZipFile:
    answer = xlsx_response("calls.xlsx", ["When", "Price", "Who"], rows, sheet="Calls")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="calls.xlsx"'
    return zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))


def test_values_keep_their_kind_and_free_text_is_never_a_formula() -> None:
    at = dt.datetime(2026, 11, 2, 10, 30, tzinfo=ZoneInfo("Europe/Berlin"))
    book = opened([[at, Decimal("0.0487500000"), "=1+1"]])
    sheet = book.read("xl/worksheets/sheet1.xml").decode()
    # Days since the end of 1899, and a part of a day: 10:30 on the clock of Berlin.
    assert "<v>46328.4375</v>" in sheet
    assert "<v>0.0487500000</v>" in sheet
    assert "<t>=1+1</t>" in sheet
    assert "<f>" not in sheet


def test_more_rows_than_a_sheet_holds_go_on_in_another_under_the_same_head(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exports, "SHEET_ROWS", 3)
    book = opened([[number, number, "x"] for number in range(5)])
    names = re.findall(r'<sheet name="([^"]+)"', book.read("xl/workbook.xml").decode())
    assert names == ["Calls", "Calls 2", "Calls 3"]
    sheets = [book.read(f"xl/worksheets/sheet{number}.xml").decode() for number in (1, 2, 3)]
    assert [sheet.count("<row ") for sheet in sheets] == [3, 3, 2]
    assert all("<t>Price</t>" in sheet for sheet in sheets)


def test_a_report_longer_than_a_sheet_loses_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "SHEET_ROWS", 3)
    columns = [Column("name", "Name"), Column("calls", "Calls", Kind.COUNT)]
    answer = table_response(
        "xlsx", "calls", columns, [{"name": "Acme", "calls": number} for number in (1, 2, 3)]
    )
    book = zipfile.ZipFile(io.BytesIO(b"".join(answer.streaming_content)))  # type: ignore[attr-defined]
    first, second = (book.read(f"xl/worksheets/sheet{number}.xml").decode() for number in (1, 2))
    assert [first.count("<row "), second.count("<row ")] == [3, 2]
    assert "<v>3</v>" in second
    assert '<autoFilter ref="A1:B3"/>' in first
    assert '<autoFilter ref="A1:B2"/>' in second


def test_a_sheet_that_is_just_full_is_the_only_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "SHEET_ROWS", 3)
    book = opened([[number, number, "x"] for number in range(2)])
    assert "xl/worksheets/sheet2.xml" not in book.namelist()
