"""Where the event loop has work done that would hold it up: micro-batches, threads, processes.

A micro-batch answers requests that arrive at the same time by one transaction or query. Alone, a
request goes straight through; under load, twenty records share one transaction, one flush to disk
and one way back to the loop. A record is still answered only after its own commit.

Batches go to a few processes beside the web worker: reading and pricing a thousand records keeps
Python's interpreter busy for so long that whoever asks for admission would wait behind it.

One key may only have a few batches, calls or large records under way in each worker, less than
there is room for: when they wait for a lock, others still find room.
"""

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from functools import partial
from multiprocessing import active_children, get_context, parent_process
from typing import Generic, TypeVar, cast
from uuid import UUID
from weakref import WeakValueDictionary

from django.db import connection

from billing.api.bodies import CollectedBody
from billing.api.hot import HotEndpoint, HotRequest, Lane, ManyFunction, Reply, answer
from billing.errors import BillingError

log = logging.getLogger(__name__)
_MAX_MICRO_BATCH = 256
# A micro-batch that takes longer (it waits for a lock) does not hold up everyone else: the next
# begins beside it. Sooner would only make for more and smaller ones.
_MAX_WAIT_SECONDS = 0.02
# What is larger, or packed, is not read among others.
_SMALL_BYTES = 16_384
_THREADS = 8
_PROCESSES = 3
_AT_ONCE_PER_KEY = 2
# Behind whoever answers single requests, when both want the processor.
_NICENESS = 5
# What its process group may get: a process ends with its worker.
_IGNORED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1)
T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")


class CutShort(BillingError):
    """Nobody knows whether the work was done."""

    status = 503
    code = "unavailable"
    headers = {"Retry-After": "2"}


class Lanes:
    """Used from one event loop. Threads start when needed, so that a process may be forked before;
    without `start_processes`, threads do what processes would."""

    def __init__(self, endpoints: Iterable[HotEndpoint]) -> None:
        self._micro_batchers = {
            endpoint: MicroBatcher(cast(ManyFunction, endpoint.function))
            for endpoint in endpoints
            if endpoint.lane is Lane.TOGETHER
        }
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="lane")
        self._processes: Processes | None = None
        self._slots = asyncio.Semaphore(_PROCESSES + 1)
        self._rooms: WeakValueDictionary[tuple[UUID, Lane], asyncio.Semaphore]
        self._rooms = WeakValueDictionary()

    def start_processes(self) -> None:
        self._processes = Processes()

    async def run(
        self, endpoint: HotEndpoint, request: HotRequest, body: CollectedBody, key_id: UUID
    ) -> Reply:
        """The answer to a request whose body has been collected."""
        if endpoint in self._micro_batchers and not request.packed and body.size <= _SMALL_BYTES:
            request = request._replace(body=body.read())
            return await self._micro_batchers[endpoint].submit(request)
        processes = self._processes if endpoint.lane is Lane.PROCESS else None
        room = self._rooms.setdefault((key_id, endpoint.lane), asyncio.Semaphore(_AT_ONCE_PER_KEY))
        async with room, self._slots if processes else nullcontext():
            # Until it was its turn the body stayed where it is, which may be the disk.
            work = partial(answer, endpoint, request._replace(body=body.read()))
            return await (processes.run(work) if processes else self.in_thread(work))

    async def in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(
            self._threads, _with_connection, work
        )

    def stop(self) -> None:
        """When every request has been answered."""
        for batcher in self._micro_batchers.values():
            batcher.stop()
        self._threads.shutdown()
        if self._processes is not None:
            self._processes.stop()


def _with_connection(work: Callable[[], T]) -> T:
    try:
        return work()
    finally:
        connection.close()  # back to the pool


class MicroBatcher(Generic[Q, A]):
    """`work` gives, in order, an answer or an error to each request; what it raises is raised to
    everyone in the micro-batch."""

    def __init__(
        self, work: Callable[[Sequence[Q]], Sequence[A | Exception]], *, at_once: int = 2
    ) -> None:
        self._work = work
        self._pending: list[tuple[Q, asyncio.Future[A]]] = []
        # Its own: others may wait for locks in theirs.
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="micro-batch")
        self._at_once = at_once
        self._under_way = 0

    async def submit(self, request: Q) -> A:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._pending.append((request, future))
        if not self._under_way:
            self._begin()
        elif len(self._pending) == 1:
            loop.call_later(_MAX_WAIT_SECONDS, self._begin_beside, future)
        return await future

    def stop(self) -> None:
        self._threads.shutdown()

    def _begin_beside(self, first: "asyncio.Future[A]") -> None:
        """Unless the one that waits since then has gone, with those behind it."""
        waits = self._pending and self._pending[0][1] is first
        if waits and self._under_way < self._at_once:
            self._begin()

    def _begin(self) -> None:
        batch, self._pending = self._pending[:_MAX_MICRO_BATCH], self._pending[_MAX_MICRO_BATCH:]
        self._under_way += 1
        requests = [request for request, _ in batch]
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(self._threads, self._answer, requests)
        working.add_done_callback(partial(self._deliver, batch))

    def _answer(self, requests: Sequence[Q]) -> Sequence[A | Exception]:
        try:
            return _with_connection(partial(self._work, requests))
        except Exception as error:  # noqa: BLE001 - raised to everyone who waits for it
            return [error] * len(requests)

    def _deliver(
        self,
        batch: Sequence[tuple[Q, "asyncio.Future[A]"]],
        working: "asyncio.Future[Sequence[A | Exception]]",
    ) -> None:
        self._under_way -= 1
        if self._pending:
            self._begin()
        for (_, future), reply in zip(batch, working.result(), strict=True):
            if future.done():
                continue  # its client is gone
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)


class Processes:
    """A few processes of a web worker's own, forked before it has threads.

    They end when it does, by whatever death. Should one die by itself, what they were at is
    answered 503, the worker retires, and gunicorn starts another. Sending a batch again counts
    nothing twice.
    """

    def __init__(self) -> None:
        self._pool = ProcessPoolExecutor(
            _PROCESSES, mp_context=get_context("fork"), initializer=_live
        )
        self._pool.submit(os.getpid).result()  # the first to ask forks them all

    async def run(self, work: Callable[[], T]) -> T:
        """Raises `CutShort` when a process died."""
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._pool, _with_connection, work)
        except BrokenProcessPool as error:
            log.exception("a process of this worker died; the worker retires")
            # Otherwise one may wait for ever for what the dead one held.
            for each in active_children():
                each.kill()
            os.kill(os.getpid(), signal.SIGTERM)
            raise CutShort(
                "The work was cut short. Send it again: nothing is counted twice."
            ) from error

    def stop(self) -> None:
        self._pool.shutdown()


def _live() -> None:
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    os.nice(_NICENESS)

    def end_with_the_worker() -> None:
        if worker := parent_process():
            worker.join()
        os._exit(0)

    threading.Thread(target=end_with_the_worker, daemon=True).start()
