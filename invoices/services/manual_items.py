"""Charges, credits and discounts by hand: asked for, approved, taken back, or billed at once.

Those of a month are billed by its close, each once. Those of a one-off invoice are billed on it as
soon as all of them are approved.
"""

import datetime as dt
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from billing import months
from billing.errors import Conflict, Invalid, NotFound, SecondPersonNeeded
from billing.models import BillingPeriod, ManualItem, TaxRate, TaxRegistration, Workspace
from billing.money import ZERO
from billing.rating.taxes import CALCULATED, EXEMPT, STANDARD
from billing.services.terms import check_amount, first_open_day
from invoices.models import Invoice
from invoices.services.one_offs import correctable_invoice, issue_one_off
from invoices.services.sales_taxes import asked_if_missing

Status = ManualItem.Status
MAX_LINES = 50


class KeyReused(Conflict):
    """The same idempotency key came with something else."""

    code = "idempotency_key_reused"


class NotWaiting(Conflict):
    """Only what waits for approval can be approved."""

    code = "not_waiting"


class AlreadyBilled(Conflict):
    """What is billed is not taken back: a credit is given for it."""

    code = "already_billed"


class NoNextBill(Conflict):
    """A closed workspace has no bill to come after its last month's: nothing waits for one."""

    code = "no_next_bill"


class ManualLine(NamedTuple):
    """One line of a one-off invoice; `net` is positive whatever its kind."""

    kind: str
    description: str
    net: Decimal
    tax_class: str = STANDARD


class OneOff(NamedTuple):
    """`invoice` is None while its items wait for approval."""

    items: list[ManualItem]
    invoice: Invoice | None
    is_new: bool


def add_manual_item(
    *,
    workspace_id: UUID,
    line: ManualLine,
    reason: str,
    asked_by: str,
    now: dt.datetime,
    month: dt.date | None = None,
    idempotency_key: str = "",
) -> tuple[ManualItem, bool]:
    """A line for the bill of `month`, or the next one; and whether it is new.

    Above `MANUAL_ITEM_APPROVAL_ABOVE` it waits for a second person. The same key with the same
    facts again is the same item. Raises `Invalid`, `NotFound`, `KeyReused` or `NoNextBill`.
    """
    asked_for = _digest([line], reason, month.isoformat() if month else "")
    with _locked(workspace_id) as workspace:
        if idempotency_key:
            known = ManualItem.objects.filter(
                workspace=workspace, idempotency_key=idempotency_key
            ).first()
            if known is not None:
                _require_same(known, asked_for)
                return known, False
        _check_line(line, workspace, known_tax_classes(), "")
        if month is not None:
            _check_month(workspace, month, now)
        _require_next_bill(workspace, month)
        item = ManualItem(
            workspace=workspace,
            month=month,
            idempotency_key=idempotency_key,
            asked_for=asked_for,
            **_facts(line, reason, asked_by, now),
        )
        if not needs_second_person(line.net):
            _approve(item, asked_by, now)
        item.save(force_insert=True)
        return item, True


def request_one_off(
    *,
    workspace_id: UUID,
    lines: Sequence[ManualLine],
    reason: str,
    asked_by: str,
    now: dt.datetime,
    idempotency_key: str = "",
    corrects: UUID | None = None,
) -> OneOff:
    """An invoice of its own, between two closes: issued at once, or when it is approved.

    With `corrects` it asks for what was missing on that invoice, taxed by the day that it was.
    As `add_manual_item`; what counts is the largest line. Raises `CannotBeTaxed` too.
    """
    asked_for = _digest(lines, reason, f"correction of {corrects}" if corrects else "one-off")
    with asked_if_missing(now), _locked(workspace_id) as workspace:
        known = _known_one_off(workspace, idempotency_key)
        if known:
            _require_same(known[0], asked_for)
            issued = Invoice.objects.filter(items__manual_item=known[0]).first()
            return OneOff(known, issued, False)
        if not 1 <= len(lines) <= MAX_LINES:
            raise Invalid(f"1 to {MAX_LINES} lines are expected.", field="items")
        if corrects is not None:
            correctable_invoice(workspace, corrects)
        tax_classes = known_tax_classes()
        for number, line in enumerate(lines):
            _check_line(line, workspace, tax_classes, f"items/{number}/")
        total = sum((_signed(line) for line in lines), ZERO)
        if total <= 0:
            raise Invalid(
                "An invoice asks for more than nothing: credits alone are taken off the next bill.",
                field="items",
                code="nothing_to_pay",
            )
        invoice_id = uuid4()
        items = [
            ManualItem(
                workspace=workspace,
                one_off_invoice_id=invoice_id,
                corrects_invoice_id=corrects,
                idempotency_key=idempotency_key,
                asked_for=asked_for,
                **_facts(line, reason, asked_by, now + dt.timedelta(microseconds=place)),
            )
            for place, line in enumerate(lines)
        ]
        at_once = not needs_second_person(max(line.net for line in lines))
        for item in items:
            if at_once:
                _approve(item, asked_by, now)
            item.save(force_insert=True)
        invoice = issue_one_off(workspace, items, now) if at_once else None
        return OneOff(items, invoice, True)


def approve(*, item_id: UUID, by: str, now: dt.datetime) -> ManualItem:
    """Let an item be billed; all of a one-off invoice together, which is then issued.

    Raises `NotWaiting`, `SecondPersonNeeded` or `NoNextBill`, and what issuing raises.
    """
    with asked_if_missing(now), _locked_item(item_id) as item:
        if item.status != Status.WAITING:
            raise NotWaiting(f"It is {item.get_status_display().lower()}: there is nothing to do.")
        if item.asked_by == by:
            raise SecondPersonNeeded(f"{by} has asked for it: somebody else has to approve it.")
        if item.one_off_invoice_id is None:
            _require_next_bill(item.workspace, item.month)
        items = _together(item)
        for each in items:
            _approve(each, by, now)
            each.save(update_fields=["status", "approved_by", "approved_at"])
        if item.one_off_invoice_id is not None:
            issue_one_off(item.workspace, items, now)
        item.refresh_from_db()
        return item


def cancel(*, item_id: UUID, reason: str, by: str, now: dt.datetime) -> ManualItem:
    """Take an item back before it is billed; all of a one-off invoice together.

    Again it changes nothing. Raises `AlreadyBilled`.
    """
    with _locked_item(item_id) as item:
        if item.status == Status.BILLED:
            raise AlreadyBilled("It is billed: give a credit for it instead.")
        if item.status == Status.CANCELLED:
            return item
        for each in _together(item):
            each.status = Status.CANCELLED
            each.cancelled_by = by
            each.cancelled_at = now
            each.cancel_reason = reason
            each.save(update_fields=["status", "cancelled_by", "cancelled_at", "cancel_reason"])
        item.refresh_from_db()
        return item


def needs_second_person(net: Decimal) -> bool:
    return net > settings.MANUAL_ITEM_APPROVAL_ABOVE


def known_tax_classes() -> list[str]:
    """What a line may be to the tax office: classes that have a rate somewhere, or a tax code
    where Stripe Tax is asked, and exempt."""
    classes = TaxRate.objects.order_by("tax_class").values_list("tax_class", flat=True).distinct()
    calculated = TaxRegistration.objects.filter(country__in=CALCULATED).exists()
    coded = sorted(settings.STRIPE_TAX_CODES) if calculated else []
    return list(dict.fromkeys([STANDARD, *classes, *coded, EXEMPT]))


def _together(item: ManualItem) -> list[ManualItem]:
    """The item, which is locked, or all of its one-off invoice, locked too."""
    if item.one_off_invoice_id is None:
        return [item]
    group = ManualItem.objects.select_for_update().filter(
        one_off_invoice_id=item.one_off_invoice_id
    )
    return list(group.order_by("created_at", "pk"))


def _known_one_off(workspace: Workspace, idempotency_key: str) -> list[ManualItem]:
    if not idempotency_key:
        return []
    known = ManualItem.objects.filter(workspace=workspace, idempotency_key=idempotency_key)
    return list(known.order_by("created_at", "pk"))


def _facts(line: ManualLine, reason: str, asked_by: str, now: dt.datetime) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "description": line.description,
        "net": line.net,
        "tax_class": line.tax_class,
        "reason": reason,
        "asked_by": asked_by,
        "created_at": now,
    }


def _approve(item: ManualItem, by: str, now: dt.datetime) -> None:
    item.status = Status.APPROVED
    item.approved_by = by
    item.approved_at = now


def _signed(line: ManualLine) -> Decimal:
    return line.net if line.kind == ManualItem.Kind.CHARGE else -line.net


def _check_line(
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


def _require_next_bill(workspace: Workspace, month: dt.date | None) -> None:
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


def _check_month(workspace: Workspace, month: dt.date, now: dt.datetime) -> None:
    if month.day != 1:
        raise Invalid(
            "The first day of a month is expected.", field="month", code="not_the_first_of_a_month"
        )
    earliest = first_open_day(workspace, now).replace(day=1)
    if month < earliest:
        raise Invalid(
            f"Months before {earliest.isoformat()} are closed.", field="month", code="in_the_past"
        )


def _digest(lines: Sequence[ManualLine], reason: str, billed_with: str) -> str:
    said = [[line.kind, line.description, f"{line.net:.3f}", line.tax_class] for line in lines]
    facts = [said, reason, billed_with]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _require_same(known: ManualItem, asked_for: str) -> None:
    if known.asked_for != asked_for:
        raise KeyReused("This idempotency key came with other facts before.")


@contextmanager
def _locked(workspace_id: UUID) -> Iterator[Workspace]:
    """The close locks the workspace too: it bills an item or has not seen it."""
    with transaction.atomic():
        workspace = (
            Workspace.objects.select_for_update(no_key=True, of=("self",))
            .select_related("billing_settings")
            .filter(pk=workspace_id)
            .first()
        )
        if workspace is None:
            raise NotFound("There is no such workspace.")
        yield workspace


@contextmanager
def _locked_item(item_id: UUID) -> Iterator[ManualItem]:
    owner = ManualItem.objects.filter(pk=item_id).values_list("workspace_id", flat=True).first()
    if owner is None:
        raise NotFound("There is no such item.")
    with _locked(owner) as workspace:
        item = ManualItem.objects.select_for_update(of=("self",)).get(pk=item_id)
        item.workspace = workspace
        yield item
