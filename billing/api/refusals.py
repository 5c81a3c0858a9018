"""Refused service keys: logged by address, and answered 429 when one address has too many.

A key cannot be guessed; this keeps a client that is set up wrong, or somebody who tries, from
filling the log. Keys that are good pass from every address. Each process counts for itself.
"""

import logging
import re
import threading
import time

from billing.errors import BillingError

log = logging.getLogger(__name__)
PER_MINUTE = 60
_WINDOW_SECONDS = 60
_MAX_ADDRESSES = 10_000
# What a key begins with is no secret: the admin shows it.
_PREFIX = re.compile(r"(?i)bearer\s+(vb_[0-9a-f]{12})_")


class TooManyRefusals(BillingError):
    status = 429
    code = "throttled"

    def __init__(self, wait: int) -> None:
        super().__init__(f"More than {PER_MINUTE} refused keys a minute. Try again in {wait} s.")
        self.headers = {"Retry-After": str(wait)}


_counts: dict[str, int] = {}
_window = 0
_lock = threading.Lock()


def note_refusal(*, address: str, authorization: str, why: str) -> None:
    """Log one refused key without its secret; raise `TooManyRefusals` past `PER_MINUTE`."""
    global _window  # noqa: PLW0603 - the process counts
    window, elapsed = divmod(int(time.time()), _WINDOW_SECONDS)
    with _lock:
        if window != _window or len(_counts) >= _MAX_ADDRESSES:
            _counts.clear()
            _window = window
        count = _counts[address] = _counts.get(address, 0) + 1
    if count > PER_MINUTE:
        if count == PER_MINUTE + 1:
            log.warning("too many refused keys from %s: answered 429 for this minute", address)
        raise TooManyRefusals(_WINDOW_SECONDS - elapsed)
    prefix = _PREFIX.match(authorization.strip())
    log.warning("refused a key from %s (%s): %s", address, prefix[1] if prefix else "-", why)


def forget_refusals() -> None:
    """Empty this process's counts."""
    with _lock:
        _counts.clear()
