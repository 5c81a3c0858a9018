"""Commands, files, settings and names of code that the documentation mentions exist."""

import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import current_app
from django.conf import settings
from django.core.management import get_commands, load_command_class

ROOT = Path(__file__).resolve().parents[2]
# What the changelog and the decisions say was true when they were written.
PAGES = [
    *(path for path in sorted(ROOT.glob("*.md")) if path.name != "CHANGELOG.md"),
    *sorted((ROOT / "docs").glob("*.md")),
    *sorted((ROOT / "config").rglob("*.md")),
    ROOT / "dev" / "stripe_sandbox" / "README.md",
]
ROOMS = {"config", "billing", "usage", "invoices", "analytics", "dev", "tests"}
COMMAND = re.compile(r"manage\.py ([a-z_]+)((?: +(?!#)[^\s`|;)]+)*)")
CODE = re.compile(r"`([^`\n]+)`")
TARGET = re.compile(r"\bmake ([a-z][a-z-]+)")
SETTING = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)+")
FILES = (".py", ".md", ".env", ".crt", ".key")
WRITTEN_LATER = {"dev/benchmarks/results"}
# Files of ours in a system that runs, or examples of names somebody else chooses.
NOT_IN_THE_PROJECT = re.compile(r"^(/|~|https?:|\.local|\.venv|\.env$|<)|\*|…|\.\.\.")
# Other programs' settings and variables, and names of examples.
NOT_SETTINGS = {
    *("BENCH_DATABASE_URL", "BENCH_DIR", "BILLING_KEY", "BILLING_URL", "CHANGE_REASON"),
    "HOT_ENDPOINTS",
}


def each(pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    for page in PAGES:
        for found in pattern.finditer(page.read_text(encoding="utf-8")):
            yield page.relative_to(ROOT).as_posix(), found


def test_commands_exist_and_take_the_options_that_are_named() -> None:
    commands = get_commands()
    wrong = []
    for page, found in each(COMMAND):
        name, rest = found[1], found[2]
        if name not in commands:
            wrong.append((page, found[0]))
            continue
        parser = load_command_class(commands[name], name).create_parser("manage.py", name)
        options = re.findall(r"(--[a-z-]+)", rest)
        wrong += [(page, f"{name} {o}") for o in options if o not in parser._option_string_actions]
    assert wrong == []


def test_targets_of_make_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {
        (page, found[1]) for page, found in each(TARGET) if f"`make {found[1]}" in found.string
    }
    assert sorted((page, name) for page, name in named if name not in targets) == []


def test_files_exist() -> None:
    """Text in backquotes that names a file, or something in one of the rooms."""
    wrong = []
    for page, found in each(CODE):
        name = found[1].split()[0].rstrip("/:")
        first = name.split("/")[0]
        is_file = re.fullmatch(r"[\w.-]+(/[\w.-]+)+|[\w-]+\.(md|toml|lock|sh)", name)
        if (
            not is_file
            or name in WRITTEN_LATER
            or NOT_IN_THE_PROJECT.search(name)
            or first not in ROOMS | {"docs", "static", "deploy"}
        ):
            continue
        places = [ROOT / name, (ROOT / page).parent / name]
        if not any(place.exists() or place.with_suffix(".py").exists() for place in places):
            wrong.append((page, name))
    assert wrong == []


def test_modules_functions_and_tasks_exist() -> None:
    """Dotted names that begin with one of the rooms."""
    current_app.autodiscover_tasks(force=True)
    wrong = []
    for page, found in each(CODE):
        name = found[1].split("(")[0]
        dotted = re.fullmatch(r"(\w+)(\.\w+)+", name)
        if (
            not dotted
            or dotted[1] not in ROOMS
            or name.endswith((".py", ".md", ".env", ".crt", ".key"))
        ):
            continue
        if name not in current_app.tasks and not _is_there(name):
            wrong.append((page, name))
    assert wrong == []


def _is_there(name: str) -> bool:
    # Some modules are not to be imported here: the settings of production.
    path = ROOT / name.replace(".", "/")
    if path.is_dir() or path.with_suffix(".py").exists():
        return True
    try:
        pkgutil.resolve_name(name)
    except (ImportError, AttributeError):
        return False
    return True


def test_settings_exist() -> None:
    table = re.findall(r"^\| `([A-Z_]+)`", (ROOT / "docs/settings.md").read_text(), re.MULTILINE)
    known = {*table, *(f"{name}_FILE" for name in table), *dir(settings)} | NOT_SETTINGS
    named = {
        (page, found[1].split("=")[0])
        for page, found in each(CODE)
        if SETTING.fullmatch(found[1].split("=")[0])
    }
    assert named
    assert sorted((page, name) for page, name in named if name not in known) == []


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md"])
def test_the_pages_of_the_project_are_there(name: str) -> None:
    assert ROOT / name in PAGES
