"""The session engine: as Django's, with each session's person beside it, to be listed and ended.

`settings.SESSION_ENGINE` names this module.
"""

import datetime as dt
from typing import Any

from django.contrib.auth import SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import transaction
from django.utils import timezone

from billing.compiled import CompiledQuery
from billing.models import Session

SIGNED_IN_AT = "signed_in_at"
ADDRESS = "address"
BROWSER = "browser"


_session = CompiledQuery[Session](
    lambda key, now: Session.objects.filter(session_key=key, expire_date__gt=now)
)


class SessionStore(DatabaseStore):
    @classmethod
    def get_model_class(cls) -> type[Session]:
        return Session

    def _get_session_from_db(self) -> Session | None:
        """As Django's, which makes its SQL anew for each page."""
        found = _session.first(self.session_key, timezone.now())
        if found is None:
            self._session_key = None
        return found

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

    def take(self, name: str) -> Any:
        """A value that is good once, or None: of two requests of one session, one gets it."""
        self.pop(name, None)
        with transaction.atomic():
            rows = Session.objects.select_for_update().filter(session_key=self.session_key)
            row = rows.first()
            data = self.decode(row.session_data) if row else {}
            value = data.pop(name, None)
            if value is not None:
                rows.update(session_data=self.encode(data))
        return value
