"""Waiting for what other processes do: never for ever, and long enough for a busy machine."""

import time
from collections.abc import Callable

_PAUSE_SECONDS = 0.02


def wait_until(
    condition: Callable[[], object], *, seconds: float = 60, what: str = "it did not happen"
) -> None:
    """Fails, saying `what`, when it is still not so after that many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: waited {seconds:g} s in vain"
        time.sleep(_PAUSE_SECONDS)
