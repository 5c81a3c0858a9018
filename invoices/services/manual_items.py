"""Charges, credits and discounts by hand: asked for, approved, taken back, or billed at once.

Those of a month are billed by its close, each once. Those of a one-off invoice are billed on it as
soon as all of them are approved.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple
from uuid import UUID, uuid4

from django.db import transaction

from billing.errors import Conflict, Invalid, NotFound, SecondPersonNeeded
from billing.models import ManualItem, Workspace
from billing.money import ZERO
from invoices.models import Invoice
from invoices.services.manual_lines import (
    MAX_LINES,
    ManualLine,
    check_line,
    check_month,
    digest_of,
    facts_of,
    known_tax_classes,
    needs_second_person,
    require_next_bill,
    require_same,
    signed,
)
from invoices.services.one_offs import correctable_invoice, issue_one_off
from invoices.services.sales_taxes import asked_if_missing

Status = ManualItem.Status


class NotWaiting(Conflict):
    """Only what waits for approval can be approved."""

    code = "not_waiting"


class AlreadyBilled(Conflict):
    """What is billed is not taken back: a credit is given for it."""

    code = "already_billed"


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
    asked_for = digest_of([line], reason, month.isoformat() if month else "")
    with _locked(workspace_id) as workspace:
        if idempotency_key:
            known = ManualItem.objects.filter(
                workspace=workspace, idempotency_key=idempotency_key
            ).first()
            if known is not None:
                require_same(known, asked_for)
                return known, False
        check_line(line, workspace, known_tax_classes(), "")
        if month is not None:
            check_month(workspace, month, now)
        require_next_bill(workspace, month)
        item = ManualItem(
            workspace=workspace,
            month=month,
            idempotency_key=idempotency_key,
            asked_for=asked_for,
            **facts_of(line, reason, asked_by, now),
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
    asked_for = digest_of(lines, reason, f"correction of {corrects}" if corrects else "one-off")
    with asked_if_missing(now), _locked(workspace_id) as workspace:
        known = _known_one_off(workspace, idempotency_key)
        if known:
            require_same(known[0], asked_for)
            issued = Invoice.objects.filter(items__manual_item=known[0]).first()
            return OneOff(known, issued, False)
        if not 1 <= len(lines) <= MAX_LINES:
            raise Invalid(f"1 to {MAX_LINES} lines are expected.", field="items")
        if corrects is not None:
            correctable_invoice(workspace, corrects)
        tax_classes = known_tax_classes()
        for number, line in enumerate(lines):
            check_line(line, workspace, tax_classes, f"items/{number}/")
        total = sum((signed(line) for line in lines), ZERO)
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
                **facts_of(line, reason, asked_by, now + dt.timedelta(microseconds=place)),
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
            require_next_bill(item.workspace, item.month)
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


def _approve(item: ManualItem, by: str, now: dt.datetime) -> None:
    item.status = Status.APPROVED
    item.approved_by = by
    item.approved_at = now


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
