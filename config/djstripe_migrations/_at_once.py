"""Tables made as a whole list of migration operations leaves them, in one step."""

from collections.abc import Sequence
from typing import Any

from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState

# What these say of a table can all be read from the models that they lead to.
_OF_TABLES = (
    ops.CreateModel,
    ops.DeleteModel,
    ops.AddField,
    ops.RemoveField,
    ops.AlterField,
    ops.AlterModelOptions,
    ops.AlterUniqueTogether,
)


class TablesAtOnce(Operation):
    """Leads to the same models as `operations`, and makes each of their tables once, whole.

    For an app without tables yet. Raises ValueError at an operation that does anything else.
    """

    atomic = True

    def __init__(self, operations: Sequence[Operation]) -> None:
        for operation in operations:
            if not isinstance(operation, _OF_TABLES):
                raise ValueError(f"{operation!r} does not only say what tables are like")  # noqa: TRY004 - as a value it is what is wrong
        self.operations = operations

    def state_forwards(self, app_label: str, state: ProjectState) -> None:
        # Models made before would be made anew at each of these steps, with all their relations.
        state.__dict__.pop("apps", None)
        for operation in self.operations:
            operation.state_forwards(app_label, state)

    def database_forwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        for model in self._models(app_label, schema_editor, to_state):
            schema_editor.create_model(model)

    def database_backwards(
        self,
        app_label: str,
        schema_editor: BaseDatabaseSchemaEditor,
        from_state: ProjectState,
        to_state: ProjectState,
    ) -> None:
        for model in reversed(self._models(app_label, schema_editor, from_state)):
            schema_editor.delete_model(model)

    def describe(self) -> str:
        return f"Create the tables that {len(self.operations)} operations lead to"

    def _models(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, state: ProjectState
    ) -> list[Any]:
        found = [state.apps.get_model(*key) for key in state.models if key[0] == app_label]
        alias = schema_editor.connection.alias
        return [model for model in found if self.allow_migrate_model(alias, model)]
