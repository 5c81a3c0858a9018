"""What a ledger check looks at, what it finds, and the rows of its statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import connection, transaction

from billing.models import BillingPeriod
from usage.services.sealing import canonical


@dataclass(frozen=True, slots=True)
class Scope:
    """Everything, one workspace, or one of its periods."""

    workspace_id: UUID | None = None
    period: BillingPeriod | None = None

    @classmethod
    def of_period(cls, period: BillingPeriod) -> "Scope":
        return cls(period.workspace_id, period)

    @property
    def values(self) -> dict[str, Any]:
        """The parameters that each statement of a check has."""
        if self.period is None:
            return {"workspace": self.workspace_id, "period": None}
        return canonical.values_of_period(self.period)

    @property
    def records(self) -> str:
        """SQL of the records in it, to stand after FROM; read by an index, if not all are."""
        if self.period is not None:
            return f"({canonical.RECORDS.format(what='*')})"
        if self.workspace_id is not None:
            return "(SELECT * FROM usage_usagerecord WHERE workspace_id = %(workspace)s)"
        return "usage_usagerecord"


@dataclass(frozen=True, slots=True)
class LedgerDifference:
    """Two places that should say the same; `what` names the rule, `detail` both sides."""

    what: str
    workspace_id: UUID | None
    period_id: UUID | None
    detail: str

    @property
    def place(self) -> tuple[str, UUID | None, UUID | None, str]:
        """What it is about, whatever the amounts."""
        row, colon, _ = self.detail.partition(": ")
        return self.what, self.workspace_id, self.period_id, row if colon else ""

    def __str__(self) -> str:
        where = f" workspace {self.workspace_id}" if self.workspace_id else ""
        where += f" period {self.period_id}" if self.period_id else ""
        return f"{self.what}:{where}{':' if where else ''} {self.detail}"


def rows(statement: str, scope: Scope, **parameters: Any) -> Sequence[tuple]:
    """All rows of a statement, in which `{records}` stands for those of the scope."""
    with transaction.atomic(), connection.cursor() as cursor:
        # Room for all groups at once: hash aggregates that spill cost twice the time.
        cursor.execute("SET LOCAL work_mem = '256MB'")
        cursor.execute(
            statement.replace("{records}", scope.records), {**scope.values, **parameters}
        )
        found: list[tuple] = cursor.fetchall()
    return found
