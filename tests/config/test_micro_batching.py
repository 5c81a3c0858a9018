"""Requests that arrive together are answered together, each by its own answer."""

import asyncio
import json
import threading
from collections.abc import Sequence

import pytest

from billing.api.hot import HotRequest, Reply
from config.serving.application import MicroBatcher
from tests.kit.personas import make_workspace
from usage.api.hot import RecordRefused, record_singles
from usage.services.ingest.parsing import MalformedJSON
from usage.services.ledger import usage_differences


class Doubling:
    """Doubles numbers, in place of requests, which a micro-batch looks into none of; one that holds
    a 0 waits until it may go on."""

    def __init__(self, at_once: int) -> None:
        self.sizes: list[int] = []
        self.begun = threading.Event()
        self.go_on = threading.Event()
        self.batcher = MicroBatcher(self._answer, at_once=at_once)

    def _answer(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.sizes.append(len(numbers))
        if 0 in numbers:
            self.begun.set()
            assert self.go_on.wait(30)
        if 13 in numbers:
            raise ConnectionError("the database is away")
        return [KeyError(number) if number < 0 else 2 * number for number in numbers]


def test_requests_that_wait_are_answered_in_one_micro_batch_each_its_own():
    doubling = Doubling(at_once=1)

    async def ask() -> list[int]:
        first = asyncio.ensure_future(doubling.batcher.submit(0))
        await asyncio.to_thread(doubling.begun.wait)
        others = [asyncio.ensure_future(doubling.batcher.submit(number)) for number in range(1, 11)]
        await asyncio.sleep(0)
        doubling.go_on.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(ask()) == list(range(0, 22, 2))
    assert doubling.sizes == [1, 10]
    doubling.batcher.stop()


def test_a_micro_batch_that_is_held_up_does_not_hold_up_who_comes_later():
    doubling = Doubling(at_once=2)

    async def ask() -> tuple[int, int]:
        stuck = asyncio.ensure_future(doubling.batcher.submit(0))
        await asyncio.to_thread(doubling.begun.wait)
        later = await doubling.batcher.submit(4)
        assert not stuck.done()
        doubling.go_on.set()
        return await stuck, later

    assert asyncio.run(ask()) == (0, 8)
    doubling.batcher.stop()


def test_a_micro_batch_that_fails_fails_for_all_in_it_and_the_next_goes_on():
    doubling = Doubling(at_once=1)

    async def ask() -> int:
        first = asyncio.ensure_future(doubling.batcher.submit(0))
        await asyncio.to_thread(doubling.begun.wait)
        failing = [asyncio.ensure_future(doubling.batcher.submit(number)) for number in (13, 14)]
        await asyncio.sleep(0)
        doubling.go_on.set()
        assert await first == 0
        failures = await asyncio.gather(*failing, return_exceptions=True)
        assert [type(failure) for failure in failures] == [ConnectionError, ConnectionError]
        return await doubling.batcher.submit(14)

    assert asyncio.run(ask()) == 28
    doubling.batcher.stop()


def test_an_error_in_an_answers_place_is_raised_to_its_asker_only():
    doubling = Doubling(at_once=1)

    async def ask() -> list[int | BaseException]:
        first = asyncio.ensure_future(doubling.batcher.submit(0))
        await asyncio.to_thread(doubling.begun.wait)
        gone = asyncio.ensure_future(doubling.batcher.submit(5))
        waiting = [asyncio.ensure_future(doubling.batcher.submit(number)) for number in (-1, 6)]
        await asyncio.sleep(0)
        gone.cancel()
        doubling.go_on.set()
        return await asyncio.gather(first, *waiting, return_exceptions=True)

    first, refused, answered = asyncio.run(ask())
    assert (first, answered) == (0, 12)
    assert isinstance(refused, KeyError)
    doubling.batcher.stop()


@pytest.mark.django_db
def test_single_records_of_a_micro_batch_are_recorded_or_refused_each_for_itself():
    acme = str(make_workspace("Acme").pk)
    nobody = "00000000-0000-4000-8000-000000000000"
    uses = [(acme, "a", 1), (nobody, "b", 1), (acme, "a", 1), (acme, "c", 2), (acme, "c", 3)]
    bodies = [
        f'{{"idempotency_key":"{key}","workspace_id":"{owner}","provider":"twilio",'
        f'"resource_type":"call_minutes","quantity":"{quantity}","unit_cost":"1"}}'
        for owner, key, quantity in uses
    ]
    requests = [HotRequest(body.encode()) for body in (*bodies, "{")]

    first, unknown, again, other, reused, broken = record_singles(requests)

    assert isinstance(first, Reply)
    assert isinstance(again, Reply)
    assert isinstance(other, Reply)
    assert (first.status, again.status, other.status) == (201, 200, 201)
    assert first.body == again.body
    assert json.loads(other.body)["quantity"] == "2"
    assert isinstance(unknown, RecordRefused)
    assert isinstance(reused, RecordRefused)
    assert (unknown.code, reused.code) == ("unknown_workspace", "idempotency_key_reused")
    assert isinstance(broken, MalformedJSON)
    assert usage_differences() == []
