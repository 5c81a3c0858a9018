"""The longer work of the hot endpoints: everything from the body as sent to the bytes answered."""

from typing import NamedTuple
from uuid import UUID

from django.http import HttpResponse
from django.utils import timezone as clock

from billing.api.bodies import unpack
from billing.api.problems import error_response
from usage.api import answers

BATCHES = ("usage batch", "call batch")


class Reply(NamedTuple):
    status: int
    body: bytes
    content_type: str = "application/json"
    headers: list[tuple[str, str]] = []


class Job(NamedTuple):
    """A body for one of the endpoints: `usage`, `usage batch`, `call` or `call batch`."""

    kind: str
    body: bytes
    packed: bool
    ndjson: bool
    only_workspace: UUID | None


def perform(job: Job) -> Reply:
    """Do it; an error of the request's, or a database that is away, is answered as a problem."""
    try:
        return Reply(*_answer(job, unpack(job.body) if job.packed else job.body))
    except Exception as error:
        response = error_response(error)
        if response is None:
            raise
        return reply_of(response)


def _answer(job: Job, body: bytes) -> tuple[int, bytes]:
    now, only = clock.now(), job.only_workspace
    match job.kind:
        case "usage":
            return answers.usage_single(body, now=now, only_workspace=only)
        case "usage batch":
            return 200, answers.usage_batch(body, ndjson=job.ndjson, now=now, only_workspace=only)
        case "call":
            return answers.call_single(body, now=now, only_workspace=only)
        case "call batch":
            return 200, answers.call_batch(body, ndjson=job.ndjson, now=now, only_workspace=only)
    raise ValueError(f"there is no such work: {job.kind}")


def reply_of(response: HttpResponse) -> Reply:
    headers = dict(response.headers)
    content_type = headers.pop("Content-Type", "")
    return Reply(response.status_code, response.content, content_type, list(headers.items()))
