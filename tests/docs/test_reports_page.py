"""docs/reports.md says of each report what its page says."""

import re
from pathlib import Path

from analytics.reports import REPORTS

PAGE = Path(__file__).resolve().parents[2] / "docs/reports.md"


def test_every_report_is_documented_as_it_is_defined() -> None:
    found = re.findall(
        r"^### (.+)\n`([a-z-]+)`: (.+)\n\n(.+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )

    assert {
        key: (title, re.findall(r"`(\w+)`", names), how) for title, key, names, how in found
    } == {
        key: (report.title, [column.name for column in report.columns], report.how)
        for key, report in REPORTS.items()
    }
