"""Leaves out of a list of migration operations what later ones undo."""

from collections.abc import Iterable

from django.db.migrations import operations as ops
from django.db.migrations.operations.base import Operation


def fold(operations: Iterable[Operation]) -> list[Operation]:
    """Return operations that make the same schema, each table with its columns in the same order.

    Tables come first, then the columns that were added later, which may refer
    to any table, then the remaining changes. Raises ValueError at an operation
    whose folding is not known.
    """
    tables: dict[str, ops.CreateModel] = {}
    added: list[ops.AddField] = []
    rest: list[ops.AlterModelOptions | ops.AlterUniqueTogether] = []
    for operation in operations:
        match operation:
            case ops.CreateModel():
                tables[operation.name_lower] = ops.CreateModel(
                    operation.name,
                    list(operation.fields),
                    operation.options,
                    operation.bases,
                    operation.managers,
                )
            case ops.DeleteModel():
                del tables[operation.name_lower]
                added = [one for one in added if one.model_name_lower != operation.name_lower]
                rest = [one for one in rest if one.name_lower != operation.name_lower]
            case ops.AddField():
                added.append(operation)
            case ops.RemoveField():
                table = tables[operation.model_name_lower]
                table.fields = [one for one in table.fields if one[0] != operation.name]
                added = [one for one in added if not one.is_same_field_operation(operation)]
            case ops.AlterModelOptions() | ops.AlterUniqueTogether():
                rest.append(operation)
            case _:
                raise ValueError(f"cannot fold {operation!r}")
    return [*tables.values(), *added, *rest]
