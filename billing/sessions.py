"""The session engine: as Django's, with each session's person beside it, to be listed and ended.

`settings.SESSION_ENGINE` names this module.
"""

import datetime as dt
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore

from billing.models import Session

SIGNED_IN_AT = "signed_in_at"
ADDRESS = "address"
BROWSER = "browser"


class SessionStore(DatabaseStore):
    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def create_model_instance(self, data: dict[str, Any]) -> Session:
        session = super().create_model_instance(data)
        assert isinstance(session, Session)
        if SESSION_KEY in data:
            session.user_id = int(data[SESSION_KEY])
        if SIGNED_IN_AT in data:
            session.signed_in_at = dt.datetime.fromisoformat(data[SIGNED_IN_AT])
        session.address = str(data.get(ADDRESS, ""))[:64]
        session.browser = str(data.get(BROWSER, ""))[:200]
        return session
