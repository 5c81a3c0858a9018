"""A row that is read once for its page, by the form and by all buttons that ask about it."""

from typing import Any, ClassVar
from uuid import UUID

from django.http import HttpRequest

from billing.admin.base import BillingAdmin
from billing.compiled import CompiledQuery


class OnceAdmin(BillingAdmin):
    # All that the page reads of the row, by its key.
    read_row: ClassVar[CompiledQuery[Any]]

    def get_object(
        self, request: HttpRequest, object_id: str, from_field: str | None = None
    ) -> Any:
        """For a page, the one that its buttons ask about; what changes a row reads it by itself."""
        if request.method != "GET" or from_field:
            return super().get_object(request, object_id, from_field)
        return self.row_once(request, object_id)

    def row_once(self, request: HttpRequest, object_id: Any) -> Any:
        """None where there is none."""
        known: dict[Any, Any] = request.__dict__.setdefault("_rows_once", {})
        key = (self.opts.label, str(object_id))
        if key not in known:
            known[key] = self.complete(self.read_row.first(UUID(str(object_id))))
        return known[key]

    def complete(self, row: Any) -> Any:
        """`row`, or none, with what need not be read again."""
        return row
