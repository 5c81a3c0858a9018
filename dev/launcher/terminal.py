"""What the launcher says while it works."""

import contextlib
import sys
import time
from collections.abc import Iterator
from pathlib import Path


def say(text: str = "") -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True)


def complain(text: str) -> None:
    """One line on stderr."""
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def step(label: str) -> Iterator[None]:
    """Announce a step before it starts and say how long it took when it is done."""
    started_at = time.monotonic()
    print(f"{label} ... ", end="", flush=True)
    try:
        yield
    except BaseException:
        print(flush=True)
        raise
    say(f"{time.monotonic() - started_at:.1f} s")


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, indented."""
    with contextlib.suppress(FileNotFoundError):
        kept = log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]
        return "\n".join(f"    {line}" for line in kept)
    return ""
