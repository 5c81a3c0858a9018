"""Decisions are numbered, listed and referred to by numbers that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DECISIONS = ROOT / "docs" / "adr"
DECISION = re.compile(r"\bADRs? (\d+)\b|adr/(\d{4})-")


def test_decisions_are_numbered_from_one_without_a_gap() -> None:
    numbers = [int(page.name[:4]) for page in sorted(DECISIONS.glob("0*.md"))]

    assert numbers == list(range(1, len(numbers) + 1))


def test_the_index_lists_each_decision_with_its_title_and_a_status() -> None:
    index = (DECISIONS / "README.md").read_text()
    for page in sorted(DECISIONS.glob("0*.md")):
        number, title = page.read_text().splitlines()[0].removeprefix("# ").split(". ", 1)
        line = re.escape(f"| [{number}]({page.name}) | {title} | ")
        status = r"(proposed|accepted|superseded by \d+) \|$"
        assert number == str(int(page.name[:4]))
        assert re.search("^" + line + status, index, re.MULTILINE), page.name


def test_a_decision_that_code_or_docs_name_exists() -> None:
    there = {int(page.name[:4]) for page in DECISIONS.glob("0*.md")}
    rooms = ("billing", "usage", "invoices", "analytics", "config", "dev", "docs")
    pages = [
        page for room in rooms for page in (ROOT / room).rglob("*") if page.suffix in {".py", ".md"}
    ]
    named = {
        (page.relative_to(ROOT).as_posix(), int(match[1] or match[2]))
        for page in pages
        for match in DECISION.finditer(page.read_text())
    }

    assert named
    assert [(page, number) for page, number in sorted(named) if number not in there] == []
