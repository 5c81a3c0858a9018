"""One usage record: as it is sent, on its way, as a row, and as it is stored."""

import datetime as dt
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import msgspec


class Entry(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A record as sent. Decimals stay raw text, so that no float ever holds one; times stay text,
    to be read as everywhere else."""

    idempotency_key: str
    workspace_id: str
    resource_type: str
    provider: str
    quantity: msgspec.Raw
    unit_cost: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    occurred_at: str | msgspec.UnsetType | None = msgspec.UNSET
    call_id: str | msgspec.UnsetType | None = msgspec.UNSET
    agent_id: str | msgspec.UnsetType | None = msgspec.UNSET
    model: str | msgspec.UnsetType | None = msgspec.UNSET
    cost_currency: str | msgspec.UnsetType | None = msgspec.UNSET
    cost_state: str | msgspec.UnsetType | None = msgspec.UNSET


class RecordError(msgspec.Struct, gc=False):
    """Why the record at `index` was refused."""

    index: int
    code: str
    field: str | None
    detail: str


class PeriodDay(msgspec.Struct, gc=False, frozen=True):
    """Where a record enters: an open period (32 hex digits) and a day of the workspace's clock.

    `start` and `end` bound the times that belong there, half-open; for a late record they
    hold no time, since each late record is looked up by itself.
    """

    period_id: str
    usage_date: str
    late: bool
    start: dt.datetime
    end: dt.datetime


# The states of a cost; final is not kept.
FINAL, ESTIMATED = "final", "estimated"
_NEVER = dt.datetime.max.replace(tzinfo=dt.UTC)
_UNPRICED = PeriodDay("", "", False, _NEVER, _NEVER)


class Stored(NamedTuple):
    """A record as it is in the database."""

    id: UUID
    workspace_id: UUID
    call_id: UUID | None
    resource_type: str
    provider: str
    quantity: Decimal
    unit_cost: Decimal
    total_cost: Decimal
    markup_percentage: Decimal | None
    final_cost: Decimal
    billing_period_id: UUID
    late: bool
    idempotency_key: str
    occurred_at: dt.datetime
    created_at: dt.datetime
    billed_quantity: Decimal
    rate_id: UUID | None
    model: str | None
    cost_currency: str | None
    exchange_rate: Decimal | None
    cost_state: str
    agent_id: UUID | None


class PricedRecord(msgspec.Struct, gc=False):
    """A record on its way: right in itself, then priced, then recorded or not.

    `id` and `workspace_id` are 32 hex digits. What goes to the database is text, as it takes it;
    amounts are decimals too where they are computed with.
    """

    index: int
    id: str
    workspace_id: str
    idempotency_key: str
    resource_type: str
    provider: str
    quantity: Decimal
    quantity_text: str
    unit_cost: Decimal
    unit_cost_text: str
    occurred_at: dt.datetime
    occurred_at_given: bool
    call_id: str | None
    # As it is sent; the call's own agent, where that is known, comes before it.
    agent_id: str | None = None
    model: str | None = None
    # A unit cost that was not given is that of the cost card; a currency that was not, the
    # workspace's. The state is None where it is final.
    unit_cost_given: bool = True
    sent_currency: str | None = None
    cost_state: str | None = None
    # What pricing adds. The currency is None where it is the workspace's.
    cost_currency: str | None = None
    exchange_rate: str | None = None
    period_day: PeriodDay = _UNPRICED
    markup: str | None = None
    total_cost: str = ""
    final_cost: str = ""
    rate_id: str | None = None
    billed_quantity: str | None = None
    # Why it was refused (when that stands before pricing: unless its key is known); or what had
    # its key before.
    refusal: RecordError | None = None
    existing: Stored | None = None
    # Who took the call, as the database says.
    agent_of_call: str | None = None

    def refuse(self, code: str, field: str | None, detail: str) -> None:
        self.refusal = RecordError(self.index, code, field, detail)

    def same_payload(self, other: "PricedRecord") -> bool:
        """Whether two uses of one key say the same, but for the currency of their costs; a time or
        a unit cost left out agrees with any."""
        return (
            self.resource_type == other.resource_type
            and self.provider == other.provider
            and self.quantity == other.quantity
            and (
                not (self.unit_cost_given and other.unit_cost_given)
                or self.unit_cost == other.unit_cost
            )
            and self.cost_state == other.cost_state
            and _uuid(self.call_id) == _uuid(other.call_id)
            and self.agent_id == other.agent_id
            and self.model == other.model
            and (
                not (self.occurred_at_given and other.occurred_at_given)
                or self.occurred_at == other.occurred_at
            )
        )

    def agrees_with(self, stored: Stored) -> bool:
        """Whether the record that has its key says the same, but for the currency of its cost."""
        return (
            self.resource_type == stored.resource_type
            and self.provider == stored.provider
            and self.quantity == stored.quantity
            and (not self.unit_cost_given or self.unit_cost == stored.unit_cost)
            and (self.cost_state or FINAL) == stored.cost_state
            and _uuid(self.call_id) == stored.call_id
            and self.model == stored.model
            and (
                _uuid(self.agent_id) == stored.agent_id
                or (self.agent_of_call is not None and _uuid(self.agent_of_call) == stored.agent_id)
            )
            and (not self.occurred_at_given or self.occurred_at == stored.occurred_at)
        )

    def as_stored(self, created_at: dt.datetime) -> Stored:
        """What the database holds for it now: itself, or what had its key before."""
        if self.existing is not None:
            return self.existing
        if self.period_day is _UNPRICED:
            raise ValueError("a record that was not priced is not stored")
        return Stored(
            UUID(self.id),
            UUID(self.workspace_id),
            _uuid(self.call_id),
            self.resource_type,
            self.provider,
            self.quantity,
            self.unit_cost,
            Decimal(self.total_cost),
            None if self.markup is None else Decimal(self.markup),
            Decimal(self.final_cost),
            UUID(self.period_day.period_id),
            self.period_day.late,
            self.idempotency_key,
            self.occurred_at,
            created_at,
            self.quantity if self.billed_quantity is None else Decimal(self.billed_quantity),
            _uuid(self.rate_id),
            self.model,
            self.cost_currency,
            None if self.exchange_rate is None else Decimal(self.exchange_rate),
            self.cost_state or FINAL,
            _uuid(self.agent_of_call or self.agent_id),
        )


class RecordRow(NamedTuple):
    """A finished record as text, as PostgreSQL takes it; columns as in `statement.COLUMNS`."""

    id: str
    workspace_id: str
    billing_period_id: str
    call_id: str | None
    occurred_at: str
    usage_date: str
    late: str
    idempotency_key: str
    resource_type: str
    provider: str
    quantity: str
    unit_cost: str
    total_cost: str
    markup_percentage: str | None
    final_cost: str
    rate_id: str | None
    billed_quantity: str | None
    model: str | None
    cost_currency: str | None
    exchange_rate: str | None
    cost_state: str | None
    agent_id: str | None


def row_of(record: PricedRecord, agent_of_call: str | None = None) -> RecordRow:
    return RecordRow(
        record.id,
        record.workspace_id,
        record.period_day.period_id,
        record.call_id,
        record.occurred_at.isoformat(),
        record.period_day.usage_date,
        "t" if record.period_day.late else "f",
        record.idempotency_key,
        record.resource_type,
        record.provider,
        record.quantity_text,
        record.unit_cost_text,
        record.total_cost,
        record.markup,
        record.final_cost,
        record.rate_id,
        record.billed_quantity,
        record.model,
        record.cost_currency,
        record.exchange_rate,
        record.cost_state,
        agent_of_call or record.agent_id,
    )


def _uuid(text: str | None) -> UUID | None:
    return None if text is None else UUID(text)
