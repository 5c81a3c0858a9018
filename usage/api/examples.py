"""Examples in the OpenAPI document."""

from drf_spectacular.utils import OpenApiExample

_RECORD = {
    "idempotency_key": "call-7f3a-minutes",
    "workspace_id": "11111111-1111-4111-8111-111111111111",
    "resource_type": "call_minutes",
    "provider": "twilio",
    "quantity": "3.25",
    "unit_cost": "0.0125",
    "occurred_at": "2026-11-22T09:30:00Z",
    "call_id": "22222222-2222-4222-8222-222222222222",
}
RECORD_EXAMPLE = OpenApiExample("A use of 3.25 minutes", _RECORD, request_only=True)
STORED_EXAMPLE = OpenApiExample(
    "Priced with a markup of 20 %",
    {
        "id": "9f1f3cc5-9e0a-5c6b-8a42-5a36f3f0f6b1",
        **_RECORD,
        "total_cost": "0.0406250000",
        "markup_percentage": "20.0000",
        "final_cost": "0.0487500000",
        "billing_period_id": "33333333-3333-4333-8333-333333333333",
        "late": False,
        "created_at": "2026-11-22T09:30:02.120000Z",
        "billed_quantity": "3.25",
        "rate_id": None,
        "model": None,
        "cost_currency": None,
        "exchange_rate": None,
        "cost_state": "final",
        "agent_id": None,
    },
    response_only=True,
    status_codes=["201"],
)
BATCH_EXAMPLE = OpenApiExample(
    "Several uses", {"records": [_RECORD]}, request_only=True, media_type="application/json"
)
ACCOUNT_EXAMPLE = OpenApiExample(
    "One record refused",
    {
        "accepted": 9997,
        "duplicates": 2,
        "rejected": 1,
        "errors": [
            {
                "index": 17,
                "code": "unknown_workspace",
                "field": "workspace_id",
                "detail": "There is no such workspace.",
            }
        ],
    },
    response_only=True,
)
