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
) -> RunSQL:
    """The columns with the workspace's id ("" for none) and the row's own; columns that are not
    worth an entry, and columns whose values are nobody's to read, parted by spaces."""
    return RunSQL(
        f"CREATE TRIGGER {_NAME} AFTER {events} ON {table} FOR EACH ROW"
        f" EXECUTE FUNCTION billing_audit('{workspace}', '{key}', '{ignored}', '{hidden}');",
        f"DROP TRIGGER {_NAME} ON {table};",
    )
