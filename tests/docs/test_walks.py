"""The walk of a record in docs/walks.md is the one it takes; files that a walk names exist.

(`test_names_in_docs` looks for the files of all pages.)
"""

import json
import re
import sys
from pathlib import Path
from types import FrameType

import pytest
import time_machine

from billing.api.hot import HotRequest
from tests.kit.http_server import usage_body
from tests.kit.personas import NOW, make_workspace
from usage.api.hot import record_singles

ROOT = Path(__file__).resolve().parents[2]
RECORD = (ROOT / "docs" / "walks.md").read_text().split("## A record")[1].split("\nAsked only")[0]
NAMED = set(re.findall(r"`([a-z_/]+\.py)`", RECORD))


@time_machine.travel(NOW, tick=False)
@pytest.mark.django_db(transaction=True)
def test_a_record_goes_through_the_files_that_its_walk_names() -> None:
    acme = make_workspace("Acme")
    first, second = (
        HotRequest(json.dumps(usage_body(acme, key)).encode()) for key in ("first", "second")
    )
    record_singles([first])  # its workspace's terms are kept from here on
    run: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event == "call" and path.is_relative_to(ROOT) and ".venv" not in path.parts:
            run.add(path.relative_to(ROOT).as_posix())

    sys.setprofile(note)
    try:
        (reply,) = record_singles([second])
    finally:
        sys.setprofile(None)

    assert getattr(reply, "status", reply) == 201
    assert {each for each in run if not each.startswith("tests/")} <= NAMED
    assert "usage/services/ingest/writing.py" in run


def test_a_record_is_walked_in_twelve_files() -> None:
    assert len(re.findall(r"^\d+\. `", RECORD, re.MULTILINE)) == 12
