"""The password and the service key that the demo prints: made once, kept below `LOCAL_DIR`.

Only their hashes are in the database; this file, readable by its owner alone, is what lets a
second start print them again.
"""

import datetime as dt
import json
import os
import secrets
from pathlib import Path
from typing import NamedTuple

from django.conf import settings

from billing.models import SCOPES, ServiceKey
from billing.services.keys import create_key, find_key

_KEY_NAME = "demo"
# Easily told apart and typed: no l, 1, o or 0.
_LETTERS = "abcdefghijkmnpqrstuvwxyz23456789"


class Logins(NamedTuple):
    password: str
    service_key: str


def kept_logins(*, now: dt.datetime) -> Logins | None:
    """What was printed before, if the database still takes it."""
    try:
        logins = Logins(**json.loads(_file().read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None
    return logins if find_key(secret=logins.service_key, now=now) is not None else None


def new_logins(*, now: dt.datetime) -> Logins:
    """A key in place of earlier ones, and a password, which is nobody's yet."""
    ServiceKey.objects.filter(name=_KEY_NAME).delete()
    _, service_key = create_key(name=_KEY_NAME, scopes=SCOPES, now=now)
    logins = Logins(_new_password(), service_key)
    _write(logins)
    return logins


def _file() -> Path:
    return Path(settings.LOCAL_DIR) / "demo.json"


def _write(logins: Logins) -> None:
    path = _file()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(logins._asdict(), file)


def _new_password() -> str:
    return "-".join("".join(secrets.choice(_LETTERS) for _ in range(4)) for _ in range(3))
