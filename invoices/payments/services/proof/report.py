"""The report of the proof: each step with a pass or what differs, for all periods of a scope."""

import datetime as dt
import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

from django.db import InterfaceError, OperationalError
from django.db.models import Exists, OuterRef, QuerySet

from billing.models import BillingPeriod
from invoices.models import Invoice
from invoices.payments.services.proof.steps import STEPS, Step
from usage.services.ledger import LedgerDifference, Scope

log = logging.getLogger(__name__)
# What one step keeps; where more differ, they are counted.
MAX_KEPT = 10_000


@dataclass(frozen=True)
class StepResult:
    """What a step found: the first differences, how many there are, and how long it took."""

    step: Step
    found: list[LedgerDifference]
    count: int
    seconds: float

    @property
    def passed(self) -> bool:
        return not self.count

    @property
    def first(self) -> LedgerDifference | None:
        return self.found[0] if self.found else None


@dataclass(frozen=True)
class Proof:
    """One run over a scope."""

    scope: Scope
    checked_at: dt.datetime
    results: list[StepResult]

    @property
    def seconds(self) -> float:
        return sum(result.seconds for result in self.results)

    @property
    def passed(self) -> bool:
        return all(result.passed for result in self.results)

    @property
    def count(self) -> int:
        return sum(result.count for result in self.results)


@dataclass
class PeriodResult:
    """One period: each step's result, and the first difference of those that fail."""

    period: BillingPeriod
    results: dict[str, str] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)


def prove(scope: Scope, *, now: dt.datetime, steps: Sequence[Step] = STEPS) -> Proof:
    """Take each step; one that fails does not keep the later ones from being looked at."""
    return Proof(scope, now, [_taken(step, scope) for step in steps])


def _taken(step: Step, scope: Scope) -> StepResult:
    began = time.perf_counter()
    left = _found(step, scope)
    found = list(islice(left, MAX_KEPT))
    count = len(found) + sum(1 for _ in left)
    return StepResult(step, found, count, time.perf_counter() - began)


def _found(step: Step, scope: Scope) -> Iterator[LedgerDifference]:
    """Also that a step could not be taken: what was changed by force may be what nothing can read,
    and must not hide what the other steps find."""
    try:
        yield from step.find(scope)
    except (InterfaceError, OperationalError):
        raise  # the database is gone, or was told to stop
    except Exception as error:
        log.exception("step %s of the proof could not be taken to its end", step.name)
        detail = f"could not be proved to the end: {type(error).__name__}: {error}"
        yield LedgerDifference(step.title, scope.workspace_id, None, detail.splitlines()[0])


def periods_in(scope: Scope) -> "QuerySet[BillingPeriod]":
    periods = BillingPeriod.objects.select_related("workspace").order_by(
        "workspace_id", "period_start"
    )
    if scope.period is not None:
        return periods.filter(pk=scope.period.pk)
    if scope.workspace_id is not None:
        return periods.filter(workspace=scope.workspace_id)
    return periods


def period_results(proof: Proof) -> Iterator[PeriodResult]:
    """Each period of the scope: "pass", "fail", or "not_yet" where it has not come that far."""
    failed: dict[UUID, dict[str, str]] = defaultdict(dict)
    for result in proof.results:
        for difference in result.found:
            if difference.period_id is not None:
                at = failed[difference.period_id]
                at.setdefault(result.step.name, f"{difference.what}: {difference.detail}")
    billed = Exists(Invoice.objects.filter(billing_period=OuterRef("pk")))
    # Many: neither kept in memory nor completed with live totals.
    for period in periods_in(proof.scope).annotate(is_billed=billed).iterator(chunk_size=2000):
        found = PeriodResult(period, first=failed.get(period.pk, {}))
        for result in proof.results:
            name = result.step.name
            if name in found.first:
                found.results[name] = "fail"
            elif result.step.applies_to(period, is_billed=period.is_billed):
                found.results[name] = "pass"
            else:
                found.results[name] = "not_yet"
        yield found


def steps_as_json(proof: Proof) -> list[dict[str, Any]]:
    return [
        {
            "name": result.step.name,
            "title": result.step.title,
            "proves": result.step.proves,
            "passed": result.passed,
            "seconds": round(result.seconds, 3),
            "differences": result.count,
            "first_difference": _as_json(result.first) if result.first else None,
        }
        for result in proof.results
    ]


def proof_as_json(proof: Proof) -> dict[str, Any]:
    """The whole report; `elsewhere` are differences that are no single period's."""
    scope = proof.scope
    return {
        "checked_at": f"{proof.checked_at:%Y-%m-%dT%H:%M:%SZ}",
        "seconds": round(proof.seconds, 3),
        "passed": proof.passed,
        "workspace_id": str(scope.workspace_id) if scope.workspace_id else None,
        "period_id": str(scope.period.pk) if scope.period else None,
        "differences": proof.count,
        "steps": steps_as_json(proof),
        "periods": [
            {
                "workspace_id": str(each.period.workspace_id),
                "workspace": each.period.workspace.name,
                "period_id": str(each.period.pk),
                "period": each.period.label,
                "status": each.period.status,
                "passed": not each.first,
                "steps": each.results,
                "first_differences": each.first,
            }
            for each in period_results(proof)
        ],
        "elsewhere": [
            _as_json(difference)
            for result in proof.results
            for difference in result.found
            if difference.period_id is None
        ],
    }


def _as_json(difference: LedgerDifference) -> dict[str, Any]:
    workspace_id, period_id = difference.workspace_id, difference.period_id
    return {
        "what": difference.what,
        "workspace_id": str(workspace_id) if workspace_id else None,
        "period_id": str(period_id) if period_id else None,
        "detail": difference.detail,
    }
