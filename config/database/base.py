"""The backend that `DATABASES` names: Django's, which refuses at once while its server hangs.

The connections that notice it are those of the pool (`config.database.hanging`).
"""

from typing import Any, ClassVar

import psycopg
from django.db.backends.postgresql import base

from config.database.hanging import Server, Watch


class DatabaseWrapper(base.DatabaseWrapper):
    # The last server of each database that gave a connection.
    _servers: ClassVar[dict[str, Server]] = {}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """While the server is known to hang, nobody waits for it or for the pool."""
        server = self._only_server()
        if server is not None and Watch.over(server).hangs():
            raise psycopg.OperationalError(f"PostgreSQL at {server} does not answer")
        connection = super().get_new_connection(conn_params)
        self._servers[self.alias] = Server.of(connection)
        return connection

    def _only_server(self) -> Server | None:
        """None with several hosts, of which another may have taken over, and with libpq's own."""
        host, port = self.settings_dict["HOST"], str(self.settings_dict["PORT"])
        if not host or "," in host:
            return None
        return self._servers.get(self.alias) or Server(host, host, port or "5432")
