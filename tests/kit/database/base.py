"""PostgreSQL for the tests: after one that commits, only what it wrote to is emptied.

Django truncates every table, and PostgreSQL makes new files for each with all its indexes: 114
tables cost more than most tests do. Rows are deleted from the few tables that have any, past
triggers and foreign keys. Where the role may not do so, tables that refuse deletion by a trigger
are truncated, together with those that refer to them.
"""

from collections.abc import Sequence
from typing import Any

from django.db.backends.postgresql.operations import DatabaseOperations

from config.database import base

# The same for ever, and made anew by Django after each flush where they are missing.
_KEPT = {"auth_permission", "django_content_type"}
_GUARDED = """
    WITH RECURSIVE truncated (id) AS (
        SELECT tgrelid FROM pg_trigger
         WHERE NOT tgisinternal AND (tgtype & 8) <> 0 AND tgrelid = ANY(%s::regclass[])
         UNION
        SELECT conrelid FROM pg_constraint JOIN truncated ON confrelid = id WHERE contype = 'f'
    )
    SELECT relname FROM truncated JOIN pg_class ON pg_class.oid = id
"""


_MAY_PASS_TRIGGERS = "SELECT has_parameter_privilege('session_replication_role', 'SET')"


class Operations(DatabaseOperations):
    def sql_flush(
        self,
        style: Any,
        tables: Sequence[str],
        *,
        reset_sequences: bool = False,
        allow_cascade: bool = False,
    ) -> list[str]:
        if not tables or reset_sequences or allow_cascade:
            return super().sql_flush(
                style, tables, reset_sequences=reset_sequences, allow_cascade=allow_cascade
            )
        quote = self.quote_name
        is_used = "SELECT '{0}' WHERE EXISTS (SELECT FROM {1})"
        with self.connection.cursor() as cursor:
            cursor.execute(
                " UNION ALL ".join(
                    is_used.format(name, quote(name)) for name in tables if name not in _KEPT
                )
            )
            used = [name for (name,) in cursor.fetchall()]
            deletions = [f"DELETE FROM {quote(name)}" for name in used]
            cursor.execute(_MAY_PASS_TRIGGERS)
            if cursor.fetchone() == (True,):
                return ["SET LOCAL session_replication_role = replica", *deletions]
            cursor.execute(_GUARDED, [used])
            guarded = [name for (name,) in cursor.fetchall()]
        statements = [f"DELETE FROM {quote(name)}" for name in used if name not in guarded]
        if guarded:
            statements.insert(0, f"TRUNCATE {', '.join(map(quote, guarded))}")
        return statements


class DatabaseWrapper(base.DatabaseWrapper):
    ops_class = Operations
