"""One pace for all processes that speak to Stripe, in Redis: Stripe counts by account, so do we.

Stripe answers 429 above 100 requests a second (25 for an endpoint); a month end would meet that
with a handful of workers. Each request books its place in line with one script (the generic cell
rate algorithm: one number, the time at which the line is empty) and sleeps until its turn.
"""

import logging
import time
from functools import cache

from django.conf import settings
from redis import Redis
from redis.commands.core import Script
from redis.exceptions import RedisError

from billing.stripe_accounts import DEFAULT, AccountName

log = logging.getLogger(__name__)
# A line longer than this is a fault of the limiter rather than of the load.
MAX_WAIT = 30.0
BURST_SECONDS = 1.0
_KEY = "billing:stripe-requests"
# KEYS[1]: when the line is empty, in microseconds. ARGV: microseconds a request takes, burst.
# Returns how long to wait, in microseconds.
_BOOK = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local free_at = tonumber(redis.call('GET', KEYS[1]) or '0')
if free_at < now - ARGV[2] then free_at = now - ARGV[2] end
free_at = free_at + ARGV[1]
redis.call('SET', KEYS[1], string.format('%.0f', free_at), 'PX', 60000)
return math.max(0, free_at - now)
"""


def wait_for_turn(account: AccountName) -> None:
    """Sleep until `STRIPE_MAX_REQUESTS_PER_SECOND` allows another request; 0 means no limit.

    Redis being down stops no payment: the request then goes at once, and Stripe's own limit holds.
    """
    rate = settings.STRIPE_MAX_REQUESTS_PER_SECOND
    if not rate:
        return
    try:
        line = _KEY if account == DEFAULT else f"{_KEY}:{account}"
        wait = _script(settings.CACHES["default"]["LOCATION"])(
            keys=[line],
            args=[1_000_000 // rate, int(BURST_SECONDS * 1_000_000)],
        )
    except RedisError as error:
        log.warning("requests to Stripe are not paced: %s", error)
        return
    if wait > 0:
        time.sleep(min(int(wait) / 1_000_000, MAX_WAIT))


@cache
def _script(location: str) -> Script:
    return Redis.from_url(location, socket_timeout=2, socket_connect_timeout=2).register_script(
        _BOOK
    )
