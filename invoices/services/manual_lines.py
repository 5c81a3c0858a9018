"""Lines by hand as they are asked for: what one may say, on which bill, and who may approve it."""

import datetime as dt
import hashlib
import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings

from billing import months
from billing.errors import Conflict, Invalid
from billing.models import BillingPeriod, ManualItem, TaxRate, TaxRegistration, Workspace
from billing.rating.taxes import CALCULATED, EXEMPT, STANDARD
from billing.services.terms import check_amount, first_open_day

MAX_LINES = 50


class KeyReused(Conflict):
    """The same idempotency key came with something else."""

    code = "idempotency_key_reused"


class NoNextBill(Conflict):
    """A closed workspace has no bill to come after its last month's: nothing waits for one."""

    code = "no_next_bill"


class ManualLine(NamedTuple):
    """One line of a one-off invoice; `net` is positive whatever its kind."""

    kind: str
    description: str
    net: Decimal
    tax_class: str = STANDARD


def needs_second_person(net: Decimal) -> bool:
    return net > settings.MANUAL_ITEM_APPROVAL_ABOVE


def known_tax_classes() -> list[str]:
    """What a line may be to the tax office: classes that have a rate somewhere, or a tax code
    where Stripe Tax is asked, and exempt."""
    classes = TaxRate.objects.order_by("tax_class").values_list("tax_class", flat=True).distinct()
    calculated = TaxRegistration.objects.filter(country__in=CALCULATED).exists()
    coded = sorted(settings.STRIPE_TAX_CODES) if calculated else []
    return list(dict.fromkeys([STANDARD, *classes, *coded, EXEMPT]))


def facts_of(line: ManualLine, reason: str, asked_by: str, now: dt.datetime) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "description": line.description,
        "net": line.net,
        "tax_class": line.tax_class,
        "reason": reason,
        "asked_by": asked_by,
        "created_at": now,
    }


def signed(line: ManualLine) -> Decimal:
    return line.net if line.kind == ManualItem.Kind.CHARGE else -line.net


def check_line(
    line: ManualLine, workspace: Workspace, tax_classes: Sequence[str], place: str
) -> None:
    try:
        check_amount(line.net, workspace.currency)
    except Invalid as error:
        raise Invalid(error.detail, field=f"{place}net", code=error.code) from None
    if not line.description:
        raise Invalid("A description is expected.", field=f"{place}description", code="blank")
    if line.tax_class not in tax_classes:
        raise Invalid(
            f"There is no tax class {line.tax_class!r}; there are: {', '.join(tax_classes)}.",
            field=f"{place}tax_class",
            code="unknown_tax_class",
        )


def require_next_bill(workspace: Workspace, month: dt.date | None) -> None:
    """A bill is to come that takes it, as `billing.charges` does: of no month before its own."""
    if workspace.status != Workspace.Status.CLOSED:
        return
    to_come = workspace.periods.filter(status=BillingPeriod.Status.CURRENT)
    if month is not None:
        to_come = to_come.filter(period_end__gt=months.midnight(month, workspace.zone))
    if not to_come.exists():
        raise NoNextBill(
            f"{workspace.name} is closed and has no such bill to come: issue an invoice of its own,"
            " or a credit note."
        )


def check_month(workspace: Workspace, month: dt.date, now: dt.datetime) -> None:
    if month.day != 1:
        raise Invalid(
            "The first day of a month is expected.", field="month", code="not_the_first_of_a_month"
        )
    earliest = first_open_day(workspace, now).replace(day=1)
    if month < earliest:
        raise Invalid(
            f"Months before {earliest.isoformat()} are closed.", field="month", code="in_the_past"
        )


def digest_of(lines: Sequence[ManualLine], reason: str, billed_with: str) -> str:
    said = [[line.kind, line.description, f"{line.net:.3f}", line.tax_class] for line in lines]
    facts = [said, reason, billed_with]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def require_same(known: ManualItem, asked_for: str) -> None:
    if known.asked_for != asked_for:
        raise KeyReused("This idempotency key came with other facts before.")
