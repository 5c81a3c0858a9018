"""The audit log's trigger, put on tables and taken off again; migrations of all apps use it."""

from django.db.migrations import RunSQL

EVERY = "INSERT OR UPDATE OR DELETE"
# Where a row's birth is nobody's act, or stands in the entry of another.
LATER = "UPDATE OR DELETE"
_NAME = "changes_are_audited"


def audited(
    table: str,
    events: str = EVERY,
    *,
    workspace: str = "workspace_id",
    key: str = "id",
    ignored: str = "",
    hidden: str = "",
    digested: str = "",
) -> RunSQL:
    """The columns with the workspace's id ("" for none) and the row's own; columns that are not
    worth an entry, columns whose values are nobody's to read, and columns whose digests are enough,
    parted by spaces."""
    arguments = [workspace, key, ignored, hidden, *([digested] if digested else [])]
    given = ", ".join(f"'{each}'" for each in arguments)
    return RunSQL(
        f"CREATE TRIGGER {_NAME} AFTER {events} ON {table} FOR EACH ROW"
        f" EXECUTE FUNCTION billing_audit({given});",
        f"DROP TRIGGER {_NAME} ON {table};",
    )
