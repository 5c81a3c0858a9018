"""A finished record as a row: every column as the text that PostgreSQL takes."""

from typing import NamedTuple

from usage.services.ingest.entries import PricedRecord


class RecordRow(NamedTuple):
    """Columns in the order of `statement.COLUMNS`."""

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
