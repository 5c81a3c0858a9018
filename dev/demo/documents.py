"""What finance adds to the demo's bills: tax in one country, and a fee by hand."""

import datetime as dt

from billing.models import TaxRegistration
from billing.services.tax_rates import add_registration, ensure_tax_rates
from dev.demo.personas import FINANCE_EMAIL, Company
from invoices.services.manual_items import Line, add_manual_item

# The issuer, of another country, is registered where one of the workspaces is.
_REGISTERED = ("DE", "DE136695976")


def register_for_tax(*, now: dt.datetime) -> None:
    ensure_tax_rates()
    country, number = _REGISTERED
    if not TaxRegistration.objects.filter(country=country).exists():
        add_registration(
            country=country, number=number, starts_on=dt.date(now.year - 1, 1, 1), now=now
        )


def add_fee(company: Company, *, now: dt.datetime) -> None:
    """A set-up fee on the first bill of who has one."""
    if company.set_up_fee is None:
        return
    add_manual_item(
        workspace_id=company.id,
        line=Line("charge", "Set-up of call routing", company.set_up_fee),
        reason="Agreed on with the contract.",
        asked_by=FINANCE_EMAIL,
        idempotency_key="set-up-fee",
        now=now,
    )
