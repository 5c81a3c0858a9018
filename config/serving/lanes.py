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
# A thread that has had no work for so long gives its connection back.
_IDLE_SECONDS = 1.0
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

    def __init__(self) -> None:
        super().__init__("The work was cut short. Send it again: nothing is counted twice.")


class WorkFailed(RuntimeError):
    """A process met an error of ours; its log has the details."""


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
        # A body stays where it is, which may be the disk, until it is its turn.
        async with self._rooms.setdefault(
            (key_id, endpoint.lane), asyncio.Semaphore(_AT_ONCE_PER_KEY)
        ):
            if endpoint.lane is Lane.PROCESS and self._processes is not None:
                async with self._slots:
                    request = request._replace(body=body.read())
                    return await self._processes.run(endpoint, request)
            request = request._replace(body=body.read())
            return await self.in_thread(partial(answer, endpoint, request))

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
        # Each keeps its connection while there is work.
        self._threads = [ThreadPoolExecutor(1, "micro-batch") for _ in range(at_once)]
        self._free = list(self._threads)
        self._rest: asyncio.TimerHandle | None = None

    async def submit(self, request: Q) -> A:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._pending.append((request, future))
        if len(self._free) == len(self._threads):
            self._begin()
        elif len(self._pending) == 1:
            loop.call_later(_MAX_WAIT_SECONDS, self._begin_beside, future)
        return await future

    def stop(self) -> None:
        for thread in self._threads:
            thread.submit(connection.close)
            thread.shutdown()

    def _begin_beside(self, first: "asyncio.Future[A]") -> None:
        """Unless the one that waits since then has gone, with those behind it."""
        if self._free and self._pending and self._pending[0][1] is first:
            self._begin()

    def _begin(self) -> None:
        batch, self._pending = self._pending[:_MAX_MICRO_BATCH], self._pending[_MAX_MICRO_BATCH:]
        thread = self._free.pop()
        loop = asyncio.get_running_loop()
        requests = [request for request, _ in batch]
        working = loop.run_in_executor(thread, self._answer, requests)
        working.add_done_callback(partial(self._deliver, batch, thread))

    def _answer(self, requests: Sequence[Q]) -> Sequence[A | Exception]:
        try:
            return self._work(requests)
        except Exception as error:  # noqa: BLE001 - raised to everyone who waits for it
            connection.close()  # it may be broken
            return [error] * len(requests)

    def _deliver(
        self,
        batch: Sequence[tuple[Q, "asyncio.Future[A]"]],
        thread: ThreadPoolExecutor,
        working: "asyncio.Future[Sequence[A | Exception]]",
    ) -> None:
        self._free.append(thread)
        if self._pending:
            self._begin()
        else:
            self._rest_later()
        for (_, future), reply in zip(batch, working.result(), strict=True):
            if future.done():
                continue  # its client is gone
            if isinstance(reply, Exception):
                future.set_exception(reply)
            else:
                future.set_result(reply)

    def _rest_later(self) -> None:
        if self._rest is not None:
            self._rest.cancel()
        self._rest = asyncio.get_running_loop().call_later(_IDLE_SECONDS, self._give_back)

    def _give_back(self) -> None:
        for thread in self._free:
            thread.submit(connection.close)


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
        self._is_retiring = False

    async def run(self, endpoint: HotEndpoint, request: HotRequest) -> Reply:
        """Raises `CutShort` when a process died, `WorkFailed` for our faults."""
        loop = asyncio.get_running_loop()
        try:
            reply = await loop.run_in_executor(self._pool, _work, endpoint, request)
        except BrokenProcessPool as error:
            if not self._is_retiring:
                log.exception("a process of this worker died; the worker retires")
                self._is_retiring = True
                # Otherwise one may wait for ever for what the dead one held.
                for each in active_children():
                    each.kill()
                os.kill(os.getpid(), signal.SIGTERM)
            raise CutShort from error
        if reply.status == 500:
            raise WorkFailed(f"this could not be done: {endpoint.route}")
        return reply

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


def _work(endpoint: HotEndpoint, request: HotRequest) -> Reply:
    try:
        return _with_connection(partial(answer, endpoint, request))
    except Exception:
        log.exception("a batch could not be recorded")
        return Reply(500, b"")
