"""Writers in threads, and what somebody sees who looks all the while."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import connection

_Seen = TypeVar("_Seen")


def watched(
    write: Callable[[int], object], look: Callable[[], _Seen], *, every: float, seconds: float
) -> list[_Seen]:
    """What `look` saw while eight writers ran, each given its number, and once they had ended.

    Fails with what a writer raised, or when they take longer than `seconds`.
    """
    failures: list[BaseException] = []
    ended = threading.Semaphore(0)
    left = 8

    def writing(number: int) -> None:
        try:
            write(number)
        except BaseException as failure:  # noqa: BLE001 - told in the test's thread
            failures.append(failure)
        finally:
            connection.close()
            ended.release()

    threads = [threading.Thread(target=writing, args=(number,)) for number in range(left)]
    for thread in threads:
        thread.start()
    seen: list[_Seen] = []
    deadline = time.monotonic() + seconds
    while left:
        assert time.monotonic() < deadline, f"{left} writers did not end in {seconds:g} s"
        left -= ended.acquire(timeout=every)
        seen.append(look())
    for thread in threads:
        thread.join()
    assert failures == []
    return [*seen, look()]
