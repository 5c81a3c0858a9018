"""Every contract of docs/contracts.md, made over the API and billed, comes to what it says."""

import json
import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import time_machine
from django.conf import settings
from django.utils import timezone as clock

from invoices.models import Invoice
from invoices.services.closing import finalize_due_periods
from tests.kit.api import ApiClient

pytestmark = pytest.mark.django_db

PAGE = (settings.BASE_DIR / "docs" / "contracts.md").read_text()
CONTRACTS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL))


def table(text: str, first_column: str) -> list[list[str]]:
    """The cells of the table whose first column is called so."""
    _, _, rest = text.partition(f"| {first_column} |")
    rows = []
    for line in rest.split("\n\n")[0].splitlines()[2:]:
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def terms_of(text: str) -> dict[str, Any]:
    terms: dict[str, Any] = json.loads(re.search(r"```json\n(.*?)```", text, re.DOTALL).group(1))
    return terms


def made(answer: Any) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.content
    body: dict[str, Any] = answer.json()
    return body


def agree(api: ApiClient, terms: dict[str, Any]) -> str:
    """A workspace with these terms from 1 November on; its id."""
    workspace = made(
        api.post(
            "workspaces/",
            {
                "name": "Acme",
                "owner_email": "owner@acme.test",
                "tier": terms.get("tier", "free"),
                "currency": "USD",
                "timezone": "UTC",
            },
        )
    )["id"]
    card = made(
        api.post("rate-cards/", {"name": "Acme", "currency": "USD", "rates": terms["rates"]})
    )
    number = card["versions"][0]["number"]
    starts = {"starts_on": "2026-11-01"}
    made(
        api.post(
            f"rate-cards/{card['id']}/versions/{number}/publish/", {"effective_from": "2026-11-01"}
        )
    )
    made(api.post(f"rate-cards/{card['id']}/assignments/", {"workspace_id": workspace, **starts}))
    for kind in ("commitments", "add-ons", "discounts"):
        for each in terms.get(kind, []):
            made(api.post(f"workspaces/{workspace}/{kind}/", {**each, **starts}))
    return str(workspace)


def test_the_page_has_the_commonest_contracts() -> None:
    assert len(CONTRACTS) >= 10


@pytest.mark.parametrize("name", CONTRACTS)
def test_a_contract_comes_to_what_the_page_says(name: str) -> None:
    text = CONTRACTS[name]
    api = ApiClient()
    with time_machine.travel("2026-10-31T12:00:00Z", tick=False):
        workspace = agree(api, terms_of(text))

    with time_machine.travel("2026-11-10T12:00:00Z", tick=False):
        for resource_type, provider, quantity, unit_cost, price in table(text, "record"):
            use = {
                "idempotency_key": str(uuid4()),
                "workspace_id": workspace,
                "resource_type": resource_type,
                "provider": provider,
                "quantity": quantity,
                "unit_cost": unit_cost,
            }
            assert made(api.post("usage/", use))["final_cost"] == price

    with time_machine.travel("2026-12-02T12:00:00Z", tick=False):
        finalize_due_periods(now=clock.now())
    invoice = Invoice.objects.get(amount__gt=0, billing_period__period_start__month=11)
    billed = [
        [item.resource_type or item.kind, f"{item.amount:.2f}"] for item in invoice.items.all()
    ]
    billed.append(["total", f"{invoice.amount:.2f}"])
    assert billed == table(text, "invoice")
    assert sum(Decimal(amount) for _, amount in billed[:-1]) == invoice.amount
