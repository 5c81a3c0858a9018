"""Ways for the demo's calls and usage into the system: the running server's API, or this process.

Both read the same bodies with the same code; over HTTP the server does it.
"""

import http.client
import json
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from django.utils import timezone as clock

from usage.services.call_entries import calls_parser
from usage.services.calls import record_calls
from usage.services.ingest import RecordError, check_entries, record_usage
from usage.services.ingest.parsing import MAX_RECORDS, usage_parser

Record = dict[str, Any]
_TIMEOUT_SECONDS = 120


class DemoError(Exception):
    """The demo cannot be loaded; the message is for whoever started it."""


class Sent(NamedTuple):
    """What became of the records sent."""

    accepted: int
    duplicates: int


class Sender(Protocol):
    def calls(self, records: Sequence[Record]) -> Sent: ...

    def usage(self, records: Sequence[Record]) -> Sent: ...


class HttpSender:
    """Posts batches to a server; raises `DemoError` when it refuses one or cannot be reached."""

    def __init__(self, url: str, service_key: str) -> None:
        self._url = url.rstrip("/")
        self._service_key = service_key
        # The server is this machine's: no proxy lies between.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def calls(self, records: Sequence[Record]) -> Sent:
        return self._post("/api/v1/calls/batch/", records)

    def usage(self, records: Sequence[Record]) -> Sent:
        return self._post("/api/v1/usage/batch/", records)

    def _post(self, path: str, records: Sequence[Record]) -> Sent:
        accepted = duplicates = 0
        for body in _bodies(records):
            answer = self._send(path, body)
            if answer["rejected"]:
                raise DemoError(f"{path} refused {answer['rejected']}: {answer['errors'][0]}")
            accepted += answer["accepted"]
            duplicates += answer["duplicates"]
        return Sent(accepted, duplicates)

    def _send(self, path: str, body: bytes) -> Record:
        request = urllib.request.Request(  # noqa: S310 - http or https, checked by the command
            self._url + path,
            data=body,
            headers={
                "Authorization": f"Bearer {self._service_key}",
                "Content-Type": "application/json",
            },
        )
        try:
            with self._opener.open(request, timeout=_TIMEOUT_SECONDS) as response:
                answer: Record = json.load(response)
        except urllib.error.HTTPError as error:
            said = error.read(500).decode(errors="replace")
            raise DemoError(f"{self._url}{path} answered {error.code}: {said}") from None
        except (OSError, http.client.HTTPException) as error:
            raise DemoError(f"{self._url} cannot be reached: {error}") from None
        return answer


class DirectSender:
    """Records in this process, with what the API's views call."""

    def calls(self, records: Sequence[Record]) -> Sent:
        accepted = duplicates = 0
        for body in _bodies(records):
            result = record_calls(calls_parser.json(body), now=clock.now())
            _require_none(result.errors)
            accepted += result.accepted
            duplicates += result.duplicates
        return Sent(accepted, duplicates)

    def usage(self, records: Sequence[Record]) -> Sent:
        accepted = duplicates = 0
        for body in _bodies(records):
            now = clock.now()
            priced, errors = check_entries(usage_parser.json(body), now=now)
            _require_none(errors)
            result = record_usage(priced, now=now)
            _require_none(result.errors)
            accepted += result.accepted
            duplicates += result.duplicates
        return Sent(accepted, duplicates)


def _require_none(errors: Sequence[RecordError]) -> None:
    if errors:
        raise DemoError(f"{len(errors)} records were refused: {errors[0]}")


def _bodies(records: Sequence[Record]) -> Iterator[bytes]:
    for first in range(0, len(records), MAX_RECORDS):
        chunk = records[first : first + MAX_RECORDS]
        yield json.dumps({"records": chunk}, separators=(",", ":")).encode()
