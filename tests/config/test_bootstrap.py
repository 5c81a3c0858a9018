"""`make bootstrap` where it cannot work: one line says why."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dev.embedded.service import PROJECT_ROOT


@pytest.mark.parametrize(
    ("python", "said"),
    [
        (sys.executable, "error: cannot write to {folder}, where .venv is made.\n"),
        ("/no/such/python", "error: PYTHON=/no/such/python is not a command.\n"),
    ],
)
def test_what_keeps_it_from_working_is_said_in_one_line(
    tmp_path: Path, python: str, said: str
) -> None:
    shutil.copy(PROJECT_ROOT / "requirements.lock", tmp_path)
    # No file can be made there, by root neither.
    (tmp_path / ".venv-setup.log").mkdir()
    done = subprocess.run(
        ["sh", str(PROJECT_ROOT / "dev" / "bootstrap.sh")],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin", "PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == said.format(folder=tmp_path)
