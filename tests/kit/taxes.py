"""An issuer that is registered for tax, and customers to be taxed."""

import datetime as dt
from typing import Any

from billing.models import TaxNumberCheck, TaxRegistration, Workspace
from billing.services.tax_rates import add_registration
from billing.services.workspaces import update_workspace
from tests.kit.personas import MADE_AT, make_workspace

JANUARY = dt.date(2026, 1, 1)
GERMAN = "DE136695976"
FRENCH = "FR40303265045"
AUSTRIAN = "ATU13585627"


def register(country: str = "DE", number: str = GERMAN, **facts: Any) -> TaxRegistration:
    """The issuer registered since the beginning of 2026; as a rule established there."""
    return add_registration(
        country=country,
        number=number,
        starts_on=JANUARY,
        now=MADE_AT,
        **{"is_home": country != "EU" and not facts.get("consumers_only"), **facts},
    )


def make_customer(
    name: str = "Acme", *, country: str = "DE", currency: str = "EUR", **details: Any
) -> Workspace:
    """A workspace with an address in `country`; `details` are its billing details."""
    workspace = make_workspace(name, currency=currency)
    return update_workspace(
        workspace_id=workspace.pk, changes={"address_country": country, **details}, now=MADE_AT
    )


def checked(workspace: Workspace, *, valid: bool = True) -> TaxNumberCheck:
    """What VIES has said of its number."""
    check, _ = TaxNumberCheck.objects.update_or_create(
        workspace=workspace,
        defaults={
            "number": workspace.tax_id,
            "valid": valid,
            "checked_at": MADE_AT,
            "source": "vies",
            "reference": "WAPIAAAAYmFzZQ",
            "registered_name": f"{workspace.name} SARL",
            "status": "done",
            "finished_at": MADE_AT,
        },
    )
    return check
