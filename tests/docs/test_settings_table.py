"""`docs/settings.md` names each environment variable that is read, with the default it has."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
READ_IN = (
    "config/settings.py",
    "config/asgi.py",
    "config/metrics.py",
    "dev/launcher/options.py",
    "dev/embedded/__init__.py",
)
ROW = re.compile(r"^\| `([A-Z_]+)`(?: ●)? \| (.+?) \| ", re.MULTILINE)
# Where the default depends on something else, the table says it in words.
IN_WORDS = {
    "BIND_HOST",
    "CACHE_URL",
    "DATABASE_URL",
    "ISSUER_EMAIL",
    "LOCAL_DIR",
    "PROMETHEUS_MULTIPROC_DIR",
    "REDIS_URL",
    "SECRET_KEY",
    "SITE_URL",
    "STATIC_ROOT",
    "STRIPE_API_BASE",
    "STRIPE_SECRET_KEY",
}


def documented() -> dict[str, str]:
    return dict(ROW.findall((ROOT / "docs/settings.md").read_text(encoding="utf-8")))


def reads() -> Iterator[tuple[str, ast.Call]]:
    """Each call of `env.<kind>(NAME, ...)` and of `os.environ.get(NAME, ...)`."""
    for path in READ_IN:
        for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            asks = ast.unparse(node.func)
            if asks == "os.environ.get" or re.fullmatch(r"env\.[a-z]+", asks):
                yield ast.literal_eval(node.args[0]), node


def default_of(call: ast.Call) -> Any:
    if len(call.args) == 1:
        return [] if ast.unparse(call.func) == "env.words" else ""
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
    assert set(documented()) == {name for name, _ in reads()}


@pytest.mark.parametrize(
    ("name", "call"),
    [pytest.param(name, call, id=name) for name, call in reads() if name not in IN_WORDS],
)
def test_the_default_is_the_one_in_the_table(name: str, call: ast.Call) -> None:
    assert documented()[name] == shown(default_of(call))
