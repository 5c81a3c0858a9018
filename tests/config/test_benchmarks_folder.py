"""Benchmarks fill a folder and a database of their own, never what the environment names."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

from dev.embedded.service import PROJECT_ROOT

BENCHMARKS = PROJECT_ROOT / "dev" / "benchmarks"
SAY = (
    "import json; from django.conf import settings; "
    "print(json.dumps([str(settings.LOCAL_DIR), settings.DATABASES['default']['HOST'],"
    " settings.STRIPE_SECRET_KEY, settings.CELERY_BROKER_URL]))"
)


def run(program: str, *, bench_dir: Path, somebodys: Path) -> subprocess.CompletedProcess[str]:
    """As `make` and a settings file would have it: with another's places in the environment."""
    settings_file = somebodys / "somebodys.env"
    settings_file.write_text("CACHE_URL=redis://cache.invalid/1\n")
    environment = os.environ | {
        "LOCAL_DIR": str(somebodys),
        "DATABASE_URL": "postgresql://database.invalid/production",
        "REDIS_URL": "redis://redis.invalid/0",
        "STRIPE_SECRET_KEY": "sk_live_4242424242424242424242",
        "ENV_FILE": str(settings_file),
        "BENCH_DIR": str(bench_dir),
    }
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_benchmark_and_its_children_use_the_folder_of_their_own(local_dir, tmp_path):
    child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {SAY!r}], check=True)"
    again = f"from dev.benchmarks.environment import begin; begin('elsewhere'); {SAY}"
    program = (
        f"from dev.benchmarks.environment import begin; begin('elsewhere'); {SAY}; {child};"
        f" subprocess.run([sys.executable, '-c', {again!r}], check=True)"
    )
    somebodys = tmp_path / "somebodys"
    somebodys.mkdir()

    done = run(program, bench_dir=local_dir, somebodys=somebodys)

    assert done.returncode == 0, done.stderr
    places = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(places) == 3
    assert places[0] == places[1] == places[2]
    folder, database, stripe_key, broker = places[0]
    assert folder == str(local_dir)
    assert stripe_key == "sk_test_bench"
    assert "invalid" not in database + broker
    assert (local_dir / "pg").exists()
    assert [each.name for each in somebodys.iterdir()] == ["somebodys.env"]


def test_the_folder_of_a_demo_is_refused(tmp_path):
    (tmp_path / "demo.json").write_text("{}")

    done = run(
        "from dev.benchmarks.environment import begin; begin('elsewhere')",
        bench_dir=tmp_path,
        somebodys=tmp_path,
    )

    assert done.returncode == 1
    assert done.stderr.startswith(f"error: {tmp_path} is a demo's.")
    assert not (tmp_path / "pg").exists()


def test_every_program_among_the_benchmarks_begins_so():
    """Before anything that reads settings is imported."""
    programs = {}
    for path in BENCHMARKS.glob("*.py"):
        lines = ast.parse(path.read_text()).body
        if any(ast.unparse(each).startswith("if __name__ == '__main__'") for each in lines):
            at = [ast.unparse(each).startswith("begin(") for each in lines].index(True)
            programs[path.stem] = [
                each.module for each in lines[:at] if isinstance(each, ast.ImportFrom)
            ]
    assert programs.keys() == {"close", "ingest", "pages", "partitions"}
    for imported in programs.values():
        rooms = ("billing", "usage", "invoices", "analytics", "config", "django", "dev")
        read = [each for each in imported if each.split(".")[0] in rooms]
        assert read == ["dev.benchmarks.environment"]
