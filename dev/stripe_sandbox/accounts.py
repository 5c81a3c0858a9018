"""Several Stripe accounts in one sandbox: the key of a request says whose it is.

Each has objects, webhook endpoints and deliveries of its own, as if there were no other. Keys
`sk_test_another<Name><digits>` are of the account that is named, whatever the digits; every other
key is of the first one.
"""

import re
import threading
from pathlib import Path

from dev.stripe_sandbox.api import Api, key_in
from dev.stripe_sandbox.store import Store
from dev.stripe_sandbox.webhooks import Deliveries

_ANOTHER = re.compile(r"[sr]k_test_another([A-Z][A-Za-z]{0,15})\d*")


class Accounts:
    """The APIs of all accounts; another one begins with its first request."""

    def __init__(self, state_dir: Path, *, key: str | None) -> None:
        self._directory = state_dir / "accounts"
        self._lock = threading.Lock()
        self._started = False
        self._base_url = ""
        self.first = _api(state_dir, "", key)
        # What was there before a restart has deliveries and pages.
        self._others = {
            found.name: _api(found, found.name, None) for found in self._directory.glob("*")
        }

    def all(self) -> list[Api]:
        with self._lock:
            return [self.first, *self._others.values()]

    def of(self, authorization: str) -> Api:
        named = _ANOTHER.fullmatch(key_in(authorization))
        return self.named(named[1]) if named else self.first

    def named(self, name: str) -> Api:
        """Empty for the first one."""
        if not name:
            return self.first
        with self._lock:
            if name not in self._others:
                directory = self._directory / name
                directory.mkdir(parents=True, exist_ok=True)
                api = _api(directory, name, None)
                api.base_url = self._base_url
                if self._started:
                    api.deliveries.start()
                self._others[name] = api
            return self._others[name]

    def holding(self, identifier: str) -> Api:
        """The account that has such an object; the first one where none has."""
        return next((api for api in self.all() if _has(api, identifier)), self.first)

    def start(self, base_url: str) -> None:
        self._base_url, self._started = base_url, True
        for api in self.all():
            api.base_url = base_url
            api.deliveries.start()

    def stop(self) -> None:
        for api in self.all():
            api.deliveries.stop()
            api.store.close()


def _api(directory: Path, name: str, key: str | None) -> Api:
    store = Store(directory, account=name)
    return Api(store, Deliveries(store), key=key)


def _has(api: Api, identifier: str) -> bool:
    with api.store.lock:
        return api.store.find(identifier) is not None
