"""`docs/settings.md` names each environment variable that is read, with the default it has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config import env

ROOT = Path(__file__).resolve().parent.parent.parent
READ_IN = [*(ROOT / "config").rglob("*.py"), *(ROOT / "dev" / "launcher").rglob("*.py")]
READERS = re.compile(
    r"env\.(text|code|address|flag|integer|integers|percentage|csv|networks|pairs)|addresses\.(postgres|redis)"
)
ROW = re.compile(r"^\| `([A-Z_]+)`( ●)? \| (.+?) \| ", re.MULTILINE)
# Where the default depends on something else, the table says it in words.
IN_WORDS = {
    "BIND_HOST",
    "CACHE_URL",
    "DATABASE_URL",
    "ISSUER_EMAIL",
    "LOCAL_DIR",
    "PROMETHEUS_MULTIPROC_DIR",
    "REDIS_URL",
    "SEAL_KEYS",
    "SECRET_KEY",
    "SITE_URL",
    "STAFF_SECOND_FACTOR",
    "STATIC_ROOT",
    "STRIPE_API_BASE",
    "STRIPE_SECRET_KEY",
}


def rows() -> list[tuple[str, str, str]]:
    """Name, mark and default of each setting."""
    page = (ROOT / "docs/settings.md").read_text(encoding="utf-8")
    return [row for row in ROW.findall(page) if row[0] != "DJANGO_SETTINGS_MODULE"]


def documented() -> dict[str, str]:
    return {name: default for name, _, default in rows()}


def reads() -> Iterator[tuple[str, ast.Call]]:
    """Each call of `env.<kind>(NAME, ...)`, or of what reads an address."""
    for path in sorted(READ_IN):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and READERS.fullmatch(ast.unparse(node.func))):
                continue
            if isinstance(node.args[0], ast.Constant):
                yield node.args[0].value, node


def default_of(call: ast.Call) -> Any:
    if len(call.args) == 1:
        return [] if ast.unparse(call.func) == "env.csv" else ""
    # Literals and arithmetic of them, as in 16 * 2**20.
    return eval(compile(ast.Expression(call.args[1]), "settings", "eval"), {})


def shown(default: Any) -> str:
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, dict):
        default = [f"{key}={value}" for key, value in default.items()]
    if isinstance(default, list):
        default = ",".join(str(each) for each in default)
    return f"`{default}`" if default != "" else "none"


def test_every_variable_that_is_read_is_in_the_table_and_no_other() -> None:
    assert sorted(name for name, _, _ in rows()) == sorted(
        {name for name, _ in reads()} | env.READ_ELSEWHERE
    )


def test_what_is_marked_as_needed_in_production_is_what_production_asks_for() -> None:
    tree = ast.parse((ROOT / "config/settings/production.py").read_text(encoding="utf-8"))
    (required,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "REQUIRED"
    )
    assert {name for name, mark, _ in rows() if mark} == set(required)


@pytest.mark.parametrize(
    ("name", "call"),
    [pytest.param(name, call, id=name) for name, call in reads() if name not in IN_WORDS],
)
def test_the_default_is_the_one_in_the_table(name: str, call: ast.Call) -> None:
    assert documented()[name] == shown(default_of(call))
