"""Micro-batching: calls that arrive at the same time are answered by one transaction or query.

An event loop submits; threads with a database connection of their own work, a whole micro-batch at
once. Alone, a call goes straight through; under load, twenty records share one transaction, one
flush to disk and one way back to the loop. A record is still answered only after its own commit.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from django.db import connection
from django.utils import timezone as clock

from usage.services.ingest.entries import PricedRecord, RecordError, Stored
from usage.services.ingest.recording import RecordOutcome, record_usage

_MAX_BATCH = 256
# A micro-batch that takes longer (it waits for a lock) does not hold up everyone else: another
# thread takes what has waited so long. Sooner would only make for more and smaller ones.
_MAX_WAIT_SECONDS = 0.02
# An idle thread gives its connection back to the pool after this time.
_IDLE_SECONDS = 1.0

Q = TypeVar("Q")
A = TypeVar("A")


class _Pending(NamedTuple):
    request: object
    future: "asyncio.Future"
    since: float


class MicroBatcher(Generic[Q, A]):
    """Used from one event loop; `work` gives, in order, an answer or an error to each request.

    What `work` raises is raised to everyone in its micro-batch. Its threads start with the first
    request, so that a process may be forked before.
    """

    def __init__(
        self, work: Callable[[Sequence[Q]], Sequence[A | Exception]], *, name: str, threads: int
    ) -> None:
        self._work = work
        self._name = name
        self._threads = threads
        self._changed = threading.Condition(threading.Lock())
        self._pending: list[_Pending] = []
        self._busy = 0
        self._running: list[threading.Thread] = []
        self._stopped = False

    async def submit(self, request: Q) -> A:
        """The answer to one request; raises what `work` gave or raised for it."""
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        with self._changed:
            self._pending.append(_Pending(request, future, time.monotonic()))
            # While a micro-batch is under way, the first to wait has another thread watch how long.
            if self._busy == 0 or len(self._pending) == 1:
                self._changed.notify()
        if not self._running:
            self._start()
        return await future

    def stop(self) -> None:
        """Give back the connections, once whoever waits is answered."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        for thread in self._running:
            thread.join()

    def _start(self) -> None:
        for number in range(self._threads):
            name = f"{self._name} {number}"
            thread = threading.Thread(target=self._run, name=name, daemon=True)
            self._running.append(thread)
            thread.start()

    def _run(self) -> None:
        while batch := self._next_batch():
            try:
                answers = self._work([each.request for each in batch])  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - raised to everyone who waits for it
                answers = [error] * len(batch)
                connection.close()  # it may be broken
            with self._changed:
                self._busy -= 1
            loop = batch[0].future.get_loop()
            loop.call_soon_threadsafe(_deliver, batch, answers)
        connection.close()

    def _next_batch(self) -> list[_Pending]:
        """Waits for it; empty when there is none any more."""
        while True:
            with self._changed:
                timeout = self._until_due()
                if timeout == 0:
                    batch = self._pending[:_MAX_BATCH]
                    del self._pending[:_MAX_BATCH]
                    self._busy += 1
                    return batch
                if self._stopped and not self._pending:
                    return []
                if timeout is None and connection.connection is not None:
                    timeout = _IDLE_SECONDS
                woken = self._changed.wait(timeout)
                idle = not woken and not self._pending
            if idle:
                connection.close()

    def _until_due(self) -> float | None:
        """Seconds until this thread is to take a micro-batch; None while there is none to take."""
        if not self._pending:
            return None
        if self._busy == 0:
            return 0
        return max(0, self._pending[0].since + _MAX_WAIT_SECONDS - time.monotonic())


def _deliver(batch: Sequence[_Pending], answers: Sequence[object]) -> None:
    for each, answer in zip(batch, answers, strict=True):
        if each.future.done():
            continue  # its client is gone
        if isinstance(answer, Exception):
            each.future.set_exception(answer)
        else:
            each.future.set_result(answer)


Answer = tuple[RecordOutcome, Stored] | RecordError


def record_micro_batch(records: Sequence[PricedRecord]) -> list[Answer]:
    """Write the single records of several requests in one transaction."""
    recorded = record_usage(records, now=clock.now())
    return [recorded.answer(position) for position in range(len(records))]
