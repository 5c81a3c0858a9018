"""Questions that arrive at the same time are answered together.

An event loop asks; threads with a database connection of their own answer, a whole round at once.
Alone, a question goes straight through; under load, twenty records share one transaction, one
flush to disk and one way back to the loop. A record is still answered only after its own commit.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, NamedTuple, TypeVar

from django.db import connection
from django.utils import timezone as clock

from usage.services.ingest.entries import Candidate, RecordError, Stored
from usage.services.ingest.recording import Outcome, record

_MOST_AT_ONCE = 256
# A round that takes longer (it waits for a lock) does not hold up everyone else: another thread
# takes what has waited so long. Sooner would only make for more and smaller rounds.
_PATIENCE_SECONDS = 0.02
# An idle thread gives its connection back to the pool after this time.
_IDLE_SECONDS = 1.0

Q = TypeVar("Q")
A = TypeVar("A")


class _Ticket(NamedTuple):
    question: object
    future: "asyncio.Future"
    since: float


class Rounds(Generic[Q, A]):
    """Asked from one event loop; `answer` gives, in order, an answer or an error to each question.

    What `answer` raises is raised to everyone in its round. Its threads start with the first
    question, so that a process may be forked before.
    """

    def __init__(
        self, answer: Callable[[Sequence[Q]], Sequence[A | Exception]], *, name: str, threads: int
    ) -> None:
        self._answer = answer
        self._name = name
        self._threads = threads
        self._changed = threading.Condition(threading.Lock())
        self._waiting: list[_Ticket] = []
        self._busy = 0
        self._running: list[threading.Thread] = []
        self._stopped = False

    async def ask(self, question: Q) -> A:
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        with self._changed:
            self._waiting.append(_Ticket(question, future, time.monotonic()))
            # While a round is under way, the first to wait has another thread watch how long.
            if self._busy == 0 or len(self._waiting) == 1:
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
        while tickets := self._next_round():
            try:
                answers = self._answer([ticket.question for ticket in tickets])  # type: ignore[misc]
            except Exception as error:  # noqa: BLE001 - raised to everyone who waits for it
                answers = [error] * len(tickets)
                connection.close()  # it may be broken
            with self._changed:
                self._busy -= 1
            loop = tickets[0].future.get_loop()
            loop.call_soon_threadsafe(_deliver, tickets, answers)
        connection.close()

    def _next_round(self) -> list[_Ticket]:
        """Waits for it; empty when there is none any more."""
        while True:
            with self._changed:
                timeout = self._until_due()
                if timeout == 0:
                    tickets = self._waiting[:_MOST_AT_ONCE]
                    del self._waiting[:_MOST_AT_ONCE]
                    self._busy += 1
                    return tickets
                if self._stopped and not self._waiting:
                    return []
                if timeout is None and connection.connection is not None:
                    timeout = _IDLE_SECONDS
                woken = self._changed.wait(timeout)
                idle = not woken and not self._waiting
            if idle:
                connection.close()

    def _until_due(self) -> float | None:
        """Seconds until this thread is to take a round; None while there is none to take."""
        if not self._waiting:
            return None
        if self._busy == 0:
            return 0
        return max(0, self._waiting[0].since + _PATIENCE_SECONDS - time.monotonic())


def _deliver(tickets: Sequence[_Ticket], answers: Sequence[object]) -> None:
    for ticket, answer in zip(tickets, answers, strict=True):
        if ticket.future.done():
            continue  # whoever asked is gone
        if isinstance(answer, Exception):
            ticket.future.set_exception(answer)
        else:
            ticket.future.set_result(answer)


Answer = tuple[Outcome, Stored] | RecordError


def record_together(candidates: Sequence[Candidate]) -> list[Answer]:
    """Write the single records of several requests in one transaction."""
    recorded = record(candidates, now=clock.now())
    return [recorded.answer(position) for position in range(len(candidates))]
