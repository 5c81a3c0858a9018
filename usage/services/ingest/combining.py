"""Single records that arrive at the same time are written together.

One thread writes what is waiting; whoever arrives meanwhile waits for the next round, which one of
them then leads. Alone, a record is written at once and nothing is added to its way; under load,
twenty requests share one transaction and one flush to disk, and the batch path's cost a record.
A record is still answered only after its own commit.
"""

import datetime as dt
import threading
from collections.abc import Callable

from django.db import connection
from django.utils import timezone as clock

from usage.services.ingest.entries import Candidate, RecordError
from usage.services.ingest.recording import Outcome, Recorded, Stored, record

# Two rounds at a time: one that waits for a lock does not hold up everyone else.
_LEADERS = 2
_MOST_AT_ONCE = 256

Answer = tuple[Outcome, Stored] | RecordError


class _Ticket:
    """One waiting record; `leads` turns true when its thread is to write the next round."""

    __slots__ = ("answer", "candidate", "error", "leads", "ready")

    def __init__(self, candidate: Candidate) -> None:
        self.candidate = candidate
        self.ready = threading.Event()
        self.leads = False
        self.answer: Answer | None = None
        self.error: BaseException | None = None


class Combiner:
    def __init__(self, write: Callable[..., Recorded] = record) -> None:
        self._write = write
        self._lock = threading.Lock()
        self._waiting: list[_Ticket] = []
        self._leaders = 0

    def record(self, candidate: Candidate) -> Answer:
        """Write the record with whoever else is waiting. Raises what its round raised."""
        ticket = _Ticket(candidate)
        with self._lock:
            if self._leaders < _LEADERS:
                self._leaders += 1
                ticket.leads = True
            else:
                self._waiting.append(ticket)
        if not ticket.leads:
            # Whoever waits holds no connection: with all of them in waiting hands, the leader
            # would get none.
            if not connection.in_atomic_block:
                connection.close()
            ticket.ready.wait()
        if ticket.leads:
            self._lead(ticket)
        if ticket.error is not None:
            raise ticket.error
        if ticket.answer is None:
            raise RuntimeError("a round of records ended without an answer")
        return ticket.answer

    def _lead(self, own: _Ticket) -> None:
        with self._lock:
            others = self._waiting[:_MOST_AT_ONCE]
            del self._waiting[:_MOST_AT_ONCE]
        try:
            self._write_round([own, *others], clock.now())
        finally:
            # Who leads next is no longer waiting: nobody else takes its record along.
            with self._lock:
                if self._waiting:
                    successor = self._waiting.pop(0)
                    successor.leads = True
                    successor.ready.set()
                else:
                    self._leaders -= 1

    def _write_round(self, round_: list[_Ticket], now: dt.datetime) -> None:
        for index, ticket in enumerate(round_):
            ticket.candidate.index = index
        try:
            result = self._write([ticket.candidate for ticket in round_], now=now)
        except BaseException as error:  # noqa: BLE001 - each thread of the round raises it
            for ticket in round_:
                ticket.error = error
        else:
            errors = {error.index: error for error in result.errors}
            for index, ticket in enumerate(round_):
                ticket.answer = errors.get(index) or (
                    result.outcomes[index],
                    result.stored(index),
                )
        finally:
            for ticket in round_:
                ticket.ready.set()
