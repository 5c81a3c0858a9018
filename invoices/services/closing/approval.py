"""What a close must be like the trial that was approved: a digest of all that it bills."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from billing.models import BillingPeriod
from billing.money import ZERO, without_exponent
from invoices.models import TrialInvoice
from invoices.services.closing.sums import CannotClose, Closing
from usage.queries.meters import meter_as_json

Snapshot = dict[str, Any]


def snapshot_of(closing: Closing) -> Snapshot:
    """Everything that is billed, in plain texts: the same bill has the same snapshot."""
    snapshot: Snapshot = {
        "currency": closing.period.workspace.currency,
        "total": _text(closing.total),
        "tax": _text(closing.tax.taxed.tax if closing.tax else ZERO),
        "lines": [
            {
                "kind": line.kind,
                "description": line.description,
                "resource_type": line.resource_type,
                "usage_month": line.usage_month.isoformat() if line.usage_month else None,
                "quantity": _text(line.quantity),
                "unit_price": _text(line.unit_price),
                "exact_amount": _text(line.exact_amount),
                "amount": _text(amount),
                "meters": [meter_as_json(meter) for meter in line.meters],
            }
            for line, amount in zip(closing.lines, closing.amounts, strict=True)
        ],
    }
    if closing.notes:
        snapshot["credit_notes"] = {
            note.number: _text(sum((each.net for each in note.items), ZERO))
            for note in closing.notes
        }
    return snapshot


def digest_of(snapshot: Snapshot) -> str:
    text = json.dumps(snapshot, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def changes_between(before: Snapshot, after: Snapshot) -> list[str]:
    """What is billed differently, a sentence for each line, and why as far as lines tell."""
    was, now = _by_line(before), _by_line(after)
    said = []
    for name in dict.fromkeys((*was, *now)):
        old, new = was.get(name), now.get(name)
        if old is None and new is not None:
            said.append(f"{name}: {new['exact_amount']} came in.")
        elif new is None and old is not None:
            said.append(f"{name}: {old['exact_amount']} is gone.")
        elif old and new and old != new:
            said.append(f"{name}: {_difference(old, new)}.")
    notes, notes_now = before.get("credit_notes", {}), after.get("credit_notes", {})
    for number in dict.fromkeys((*notes, *notes_now)):
        if notes.get(number) != notes_now.get(number):
            said.append(
                f"Credit note for {number}: {notes.get(number, '0')} became"
                f" {notes_now.get(number, '0')}."
            )
    if before["tax"] != after["tax"]:
        said.append(f"Tax: {before['tax']} became {after['tax']}.")
    return said


def refuse_unapproved(closings: Sequence[Closing]) -> None:
    """Raise `CannotClose` for a period without an approved trial, or whose bill is another one."""
    trials = {
        trial.period_id: trial
        for trial in TrialInvoice.objects.filter(
            period__in=[closing.period.pk for closing in closings]
        )
    }
    for closing in closings:
        trial = trials.get(closing.period.pk)
        if trial is None or trial.approved_at is None:
            raise CannotClose(
                f"{_named(closing.period)} is not approved: look at it under Trial close.",
                code="not_approved",
            )
        snapshot = snapshot_of(closing)
        if digest_of(snapshot) != trial.digest:
            changes = " ".join(changes_between(trial.snapshot, snapshot))
            raise CannotClose(
                f"{_named(closing.period)} is not what {trial.approved_by} approved. {changes}"
                " It is tried again within the hour, to be approved anew.",
                code="differs_from_approved",
            )


def _named(period: BillingPeriod) -> str:
    return f"{period.label} of {period.workspace.name}"


def _by_line(snapshot: Snapshot) -> dict[str, Mapping[str, Any]]:
    """By its description; the second of the same, as of two credits, with its number."""
    lines: dict[str, Mapping[str, Any]] = {}
    seen: Counter[str] = Counter()
    for line in snapshot["lines"]:
        name = line["description"]
        seen[name] += 1
        lines[name if seen[name] == 1 else f"{name} ({seen[name]})"] = line
    return lines


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> str:
    said = []
    if old["quantity"] != new["quantity"]:
        used = Decimal(new["quantity"]) - Decimal(old["quantity"])
        more = "more" if used > 0 else "fewer"
        said.append(f"{_text(abs(used))} units {more}")
    if old["exact_amount"] != new["exact_amount"]:
        said.append(f"{old['exact_amount']} became {new['exact_amount']}")
    return ", ".join(said) or "its share of rounding or its tiers changed"


def _text(amount: Decimal) -> str:
    text = without_exponent(amount)
    return text.rstrip("0").rstrip(".") if "." in text else text
