"""The walk of a record in docs/walks.md is the one it takes, and no longer than it may be.

(`test_names_in_docs` looks for the files of all pages.)
"""

import asyncio
import json
import re
import sys
import threading
from pathlib import Path
from types import FrameType

import pytest
from django.utils import timezone as clock
from uvicorn.config import Config
from uvicorn.server import ServerState

from config.serving.application import Application
from config.serving.worker import Protocol
from tests.kit.api import make_key
from tests.kit.http_server import head, usage_body
from tests.kit.personas import make_workspace
from usage.api.hot import HOT_ENDPOINTS

ROOT = Path(__file__).resolve().parents[2]
RECORD = (ROOT / "docs" / "walks.md").read_text().split("## A record")[1].split("\n## ")[0]
WALKED = re.findall(r"^\d+\. `([a-z_/]+\.py)`", RECORD, re.MULTILINE)


class FilesRun:
    """Of this project, each whose functions run in any thread that is started from here on."""

    def __init__(self) -> None:
        self.is_noting = False
        self.found: set[str] = set()

    def __enter__(self) -> "FilesRun":
        threading.setprofile(self._note)
        sys.setprofile(self._note)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _note(self, frame: FrameType, event: str, _: object) -> None:
        # Twice a second a thread tells Redis how many requests there were, whatever they were.
        is_telling = threading.current_thread().name.startswith("rates")
        if event != "call" or not self.is_noting or is_telling:
            return
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(ROOT) and not {".venv", "tests"} & set(path.parts):
            self.found.add(path.relative_to(ROOT).as_posix())


async def send(application: Application, requests: list[bytes], run: FilesRun) -> list[bytes]:
    """The answers to requests on one connection, the last of which is the one to be walked."""
    config = Config(application, http=Protocol, ws="none", lifespan="off", access_log=False)
    config.load()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(config, ServerState(), {}), "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    answers = []
    for request in requests:
        run.is_noting = request is requests[-1]
        writer.write(request)
        answer = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", answer)
        answers.append(answer + await reader.readexactly(int(length[1])))
    run.is_noting = False
    writer.close()
    server.close()
    await server.wait_closed()
    return answers


@pytest.mark.django_db(transaction=True)
def test_a_record_goes_through_the_files_that_its_walk_names_and_no_other() -> None:
    acme, key = make_workspace("Acme"), make_key("usage:write")
    requests = []
    for number in range(3):
        body = usage_body(acme, str(number), occurred_at=clock.now().isoformat())
        data = json.dumps(body).encode()
        requests.append(head("usage/", key, f"Content-Length: {len(data)}") + data)
    with FilesRun() as run:
        application = Application(HOT_ENDPOINTS, threads=1)
        answers = asyncio.run(send(application, requests, run))
    application.stop()

    assert [answer.split()[1] for answer in answers] == [b"201"] * 3
    assert run.found == set(WALKED)


def test_a_record_is_walked_in_twelve_files() -> None:
    assert len(set(WALKED)) == len(WALKED) == 12
