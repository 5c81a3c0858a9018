"""Doing a request to Stripe exactly once, however often it is tried.

The key and the exact parameters are committed before the request. Any try but the first looks
first whether an earlier one did its work after all: keys alone do not do, since Stripe forgets
them after a day and repeats a saved error for as long.
"""

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from django.db import transaction

from billing.services.work import Clock, Lease
from billing.stripe_accounts import AccountName
from invoices.payments.models.stripe_requests import StripeRequest
from invoices.payments.services import stripe_client
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeFailure, StripeRefused, StripeUnavailable


class Post(Protocol):
    def __call__(
        self, account: AccountName, path: str, params: Mapping[str, Any], *, key: str
    ) -> StripeObject: ...


# Stripe forgets keys after 24 hours; near the end it is not known on which side a request falls.
KEY_LIFETIME = dt.timedelta(hours=23)


def perform(
    state: StripeRequest,
    *,
    account: AccountName,
    lease: Lease,
    clock: Clock,
    key: str,
    path: str,
    params: Callable[[], dict[str, Any]],
    look_up: Callable[[], StripeObject | None],
    look_first: bool = False,
    post: Post | None = None,
) -> StripeObject:
    """The object that posting `params` to `path` of `account` gives, now or by an earlier try.

    `key` names the request for ever; versions are added to it. `look_up` finds the work of an
    earlier try, or None. `post` sends what parameters alone cannot say. The caller marks `state`
    done, together with what follows from it. Raises `StripeFailure` and `LeaseLost`.
    """
    if state.times_tried or look_first:
        found = look_up()
        if found is not None:
            return found
    known_key = _begin(state, lease=lease, now=clock(), key=key, params=params)
    try:
        send = post or stripe_client.post
        return send(account, path, state.params, key=state.idempotency_key)
    except StripeFailure as error:
        state.key_spent = _is_spent(error, known_key)
        with transaction.atomic():
            lease.renew(clock())
            state.save(update_fields=["key_spent"])
        raise


def _begin(
    state: StripeRequest,
    *,
    lease: Lease,
    now: dt.datetime,
    key: str,
    params: Callable[[], dict[str, Any]],
) -> bool:
    """Commit what is about to be sent; whether the key has been sent before."""
    known_key = (
        state.key_used_at is not None
        and not state.key_spent
        and now - state.key_used_at < KEY_LIFETIME
    )
    if not known_key:
        state.key_version += 1
        state.idempotency_key = f"{key}/{state.key_version}"
        state.key_used_at = now
        state.key_spent = False
        state.params = params()
    state.times_tried += 1
    state.started_at = state.started_at or now
    with transaction.atomic():
        lease.renew(now)
        state.save(
            update_fields=[
                "key_version",
                "idempotency_key",
                "key_used_at",
                "key_spent",
                "params",
                "times_tried",
                "started_at",
            ]
        )
    return known_key


def _is_spent(error: StripeFailure, known_key: bool) -> bool:
    """Whether the key would only give this error again.

    A first 5xx may be a gateway's, with the work still under way: the same key is safe then, and a
    second 5xx under it says that Stripe has saved it.
    """
    if isinstance(error, StripeUnavailable):
        return error.key_spent or (error.server_error and known_key)
    return isinstance(error, StripeRefused)
