"""Whether new migrations are safe beside the release before: `python -m dev.migration_safety`.

An upgrade migrates while the old code serves, and goes back to it without migrating. So a migration
may add what the old code does not know, and nothing that it would stumble over: what it reads or
writes goes one release later. Nothing is to hold a busy table's lock for long either.

What was there before the rules is in `dev/migrations_baseline.txt`; while nothing is released,
`--accept` adds what has come since. A migration that breaks a rule for a reason says so itself:
`safe_because = "..."` in its class.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import django
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import connection, models
from django.db.migrations import Migration, operations
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import NOT_PROVIDED

_BASELINE = Path(__file__).with_name("migrations_baseline.txt")
_OURS = ("billing", "usage", "invoices", "payments", "analytics")
_GOES_AWAY = (
    operations.RemoveField,
    operations.DeleteModel,
    operations.RenameField,
    operations.RenameModel,
    operations.AlterModelTable,
)
_CODE = (operations.RunSQL, operations.RunPython, operations.SeparateDatabaseAndState)


def faults(migration: Migration, state: ProjectState) -> Iterator[str]:
    """Why the release before could stumble; `state` is that before the migration."""
    if str(getattr(migration, "safe_because", "")).strip():
        return
    app, new = migration.app_label, set[str]()
    for operation in migration.operations:
        after = state.clone()
        operation.state_forwards(app, after)
        if isinstance(operation, operations.CreateModel):
            new.add(operation.name_lower)
        name = getattr(operation, "model_name_lower", "") or getattr(operation, "name_lower", "")
        if name not in new or isinstance(operation, _CODE):
            wrong = _fault(app, operation, state, after)
            if wrong:
                yield f"{operation.describe()}: {wrong}"
        state = after


def _fault(app: str, operation: Operation, before: ProjectState, after: ProjectState) -> str:
    if isinstance(operation, _GOES_AWAY):
        return "the old code still uses it; let one release stop using it first"
    if isinstance(operation, operations.AddField):
        return _fault_of_new(operation.field)
    if isinstance(operation, operations.AlterField):
        old, new = (
            state.apps.get_model(app, operation.model_name)._meta.get_field(operation.name)
            for state in (before, after)
        )
        return _fault_of_changed(old, new)
    if isinstance(operation, operations.AddIndex) and not isinstance(
        operation, AddIndexConcurrently
    ):
        return "writes wait while it is built; use AddIndexConcurrently, with atomic = False"
    if isinstance(operation, (operations.AddConstraint, operations.AlterUniqueTogether)):
        return "the old code may write what it refuses, and writes wait while rows are checked"
    if isinstance(operation, _CODE):
        return "cannot be judged here; say why it is safe"
    return ""


def _fault_of_new(field: models.Field) -> str:
    if field.many_to_many or field.null or field.db_default is not NOT_PROVIDED:
        return ""
    return "the old code inserts rows without it; give it null=True or a db_default"


def _fault_of_changed(old: models.Field, new: models.Field) -> str:
    if old.null and not new.null:
        return "the old code writes NULL there"
    if new.unique and not old.unique:
        return "the old code may write the same twice"
    types = [field.db_parameters(connection)["type"] for field in (old, new)]
    is_longer = (
        type(old) is type(new)
        and isinstance(new, models.CharField)
        and (new.max_length or sys.maxsize) >= (old.max_length or sys.maxsize)
    )
    if types[0] != types[1] and not is_longer:
        return f"{types[0]} becomes {types[1]}: the table is written anew, under lock"
    return ""


def unaccepted() -> list[tuple[str, Migration, ProjectState]]:
    """Our migrations that are not in the baseline, by name, with the state before each."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    accepted = set(_BASELINE.read_text(encoding="utf-8").split())
    found = []
    for (app, name), migration in sorted(loader.disk_migrations.items()):
        if app in _OURS and f"{app}.{name}" not in accepted:
            state = loader.project_state((app, name), at_end=False)
            found.append((f"{app}.{name}", migration, state))
    return found


def main() -> None:
    django.setup()
    new = unaccepted()
    if "--accept" in sys.argv[1:]:
        accepted = set(_BASELINE.read_text(encoding="utf-8").split())
        names = sorted(accepted | {name for name, _, _ in new})
        _BASELINE.write_text("\n".join(names) + "\n", encoding="utf-8")
        print(f"{len(new)} migrations accepted as they are")
        return
    wrong = [
        f"{name}: {fault}" for name, migration, state in new for fault in faults(migration, state)
    ]
    for line in wrong:
        print(line)
    if wrong:
        sys.exit(f"{len(wrong)} steps of migrations are not safe beside the release before")
    print(f"{len(new)} new migrations are safe beside the release before")


if __name__ == "__main__":
    main()
