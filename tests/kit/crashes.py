"""Ways for the syncing process to die, and for Stripe to misbehave, at a chosen point."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import connection

from invoices.payments.services.stripe_client import PacedClient


class Killed(BaseException):
    """The process ends here: no handler runs, nothing more is written."""


@dataclass(frozen=True)
class Call:
    """One of the sync's requests: the `skip`-th that matches, counting from 0."""

    method: str
    path: str
    skip: int = 0


@contextmanager
def killed_at_request(call: Call, *, when: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Die before the request leaves (`"before"`), or with its answer in hand (`"after"`)."""
    request = PacedClient.request
    to_skip = call.skip

    def dying(self: PacedClient, method: str, url: str, *args: Any, **options: Any) -> Any:
        nonlocal to_skip
        path = re.sub(r"^https?://[^/]+|\?.*$", "", url)
        if method.upper() != call.method or not re.search(call.path, path):
            return request(self, method, url, *args, **options)
        if to_skip:
            to_skip -= 1
            return request(self, method, url, *args, **options)
        if when == "after":
            request(self, method, url, *args, **options)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(PacedClient, "request", dying)
        with pytest.raises(Killed):
            yield


class Commits:
    """Counts the commits of what runs inside, and dies at the `fatal`-th, before or after it.

    The test itself is one transaction, in which those of the code are savepoints: releasing one
    stands for committing, and dying before means that it is rolled back.

    `lasting` are the commits before which something happened that no rollback takes back: with
    `outside_world`, whatever it counts, or a write by a statement of its own. Dying before any
    other leaves exactly what dying after the one before it leaves.
    """

    def __init__(
        self,
        *,
        fatal: int | None = None,
        before: bool = True,
        outside_world: Callable[[], int] = lambda: 0,
    ) -> None:
        self.seen = 0
        self.lasting: set[int] = set()
        self._fatal = fatal
        self._before = before
        self._outside = len(connection.savepoint_ids)
        self._outside_world = outside_world
        self._happened = outside_world()
        self._wrote = False

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        # Django takes a savepoint off its list before it releases it.
        is_outermost = len(connection.savepoint_ids) == self._outside
        if not is_outermost or not str(sql).startswith("RELEASE SAVEPOINT"):
            is_write = str(sql).lstrip().startswith(("INSERT", "UPDATE", "DELETE", "WITH"))
            self._wrote |= is_outermost and is_write
            return execute(sql, params, many, context)
        self.seen += 1
        happened = self._outside_world()
        if self._wrote or happened != self._happened:
            self.lasting.add(self.seen)
        self._happened, self._wrote = happened, False
        if self.seen != self._fatal:
            return execute(sql, params, many, context)
        if self._before:
            sql = str(sql).replace("RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT")
        execute(sql, params, many, context)
        raise Killed
