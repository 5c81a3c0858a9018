"""Tax facts of many workspaces read at once, and what follows from them for each.

Closes, one-off invoices and previews all ask here, and all decide by `billing.rating.taxes`.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings

from billing import months
from billing.models import IssuingEntity, TaxNumberCheck, TaxRate, TaxRegistration, Workspace
from billing.rating import taxes
from billing.rating.tax_amounts import TaxRateInForce
from billing.rating.taxes import Customer, Decision, Registration, region_key
from billing.taxnumbers import vat_number


@dataclass(frozen=True, slots=True)
class Facts:
    """Whom a document is for and how it is taxed, with what that was decided from."""

    customer: Customer
    decision: Decision
    day: dt.date
    evidence: dict[str, Any]


class TaxReader:
    """Registrations, rates and checks of numbers. Three queries for any number of workspaces; one
    where the issuer is registered nowhere."""

    def __init__(self, workspaces: Iterable[Workspace]) -> None:
        self._registrations = list(TaxRegistration.objects.order_by("country", "region"))
        self._checks: dict[UUID, TaxNumberCheck] = {}
        self._rates: dict[tuple[str, str, str], list[TaxRate]] = defaultdict(list)
        if not self._registrations:
            return
        for rate in TaxRate.objects.all():
            region = region_key(rate.country, rate.region)
            self._rates[rate.country, region, rate.tax_class].append(rate)
        numbered = {workspace.pk for workspace in workspaces if workspace.tax_id}
        self._checks = TaxNumberCheck.objects.in_bulk(numbered)

    def facts_of(
        self, workspace: Workspace, entity: IssuingEntity | None, day: dt.date
    ) -> Facts | None:
        """How a document of `day` is taxed; None where its issuer is registered nowhere.

        Raises `billing.rating.taxes.Undecided`.
        """
        whose = entity.pk if entity else None
        registrations = [
            each
            for each in self._registrations
            if each.issuing_entity_id == whose and _holds(each, day)
        ]
        if not registrations:
            return None
        customer, check = self._customer(workspace)
        decision = taxes.decide([_registration(each) for each in registrations], customer)
        if decision is None:
            return None
        return Facts(customer, decision, day, _evidence(decision, day, customer, check))

    def rate(
        self, country: str, region: str, tax_class: str, day: dt.date
    ) -> TaxRateInForce | None:
        """A region's own rate, else its country's."""
        for place in dict.fromkeys((region_key(country, region), "")):
            for each in self._rates.get((country, place, tax_class), []):
                if _holds(each, day):
                    return TaxRateInForce(str(each.pk), each.percent, each.name)
        return None

    def _customer(self, workspace: Workspace) -> tuple[Customer, TaxNumberCheck | None]:
        number = vat_number(workspace.tax_id, country=workspace.address_country)
        check = self._checks.get(workspace.pk)
        is_valid: bool | None = False
        by_form = False
        if number:
            if check is not None and check.number != number:
                check = None
            is_valid = check.valid if check else None
            if check is None and not settings.VIES_URL:
                is_valid = by_form = True  # as it was found when it was given
        customer = Customer(
            workspace.address_country,
            workspace.address_state,
            workspace.tax_status,
            number or workspace.tax_id,
            is_valid,
            workspace.tax_exemption,
            by_form,
        )
        return customer, check if number else None


def _holds(row: TaxRegistration | TaxRate, day: dt.date) -> bool:
    return months.holds_on(day, row.starts_on, row.ends_on)


def _registration(row: TaxRegistration) -> Registration:
    return Registration(
        str(row.pk), row.country, row.region, row.number, row.consumers_only, row.is_home
    )


def _evidence(
    decision: Decision, day: dt.date, customer: Customer, check: TaxNumberCheck | None
) -> dict[str, Any]:
    evidence: dict[str, Any] = {
        "day": day.isoformat(),
        "registration_id": decision.registration.id,
    }
    if check is not None and check.valid is not None and check.checked_at is not None:
        evidence["number_check"] = {
            "number": check.number,
            "valid": check.valid,
            "source": check.source,
            "checked_at": check.checked_at.astimezone(dt.UTC).isoformat(),
            "reference": check.reference,
            "name": check.registered_name,
            "address": check.registered_address,
        }
    elif customer.tested_by_form:
        evidence["number_check"] = {"number": customer.number, "valid": True, "source": "form"}
    return evidence
