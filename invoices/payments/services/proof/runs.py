"""Runs of the whole proof in the background, and the last ones kept."""

import datetime as dt
import logging

from django.utils import timezone as clock

from billing.services.notifications import notify_finance
from invoices.payments.models import ProofRun
from invoices.payments.services.proof.report import Proof, periods_in, prove, steps_as_json
from usage.services.ledger import Scope

log = logging.getLogger(__name__)

KEPT = 30
# Of each step; `check_ledger` names every one.
_NAMED = 20


def prove_and_keep(*, now: dt.datetime) -> ProofRun:
    """Prove everything, keep the result, and tell finance what does not agree."""
    run = ProofRun.objects.create(started_at=now)
    scope = Scope()
    proof = prove(scope, now=now)
    run.finished_at = max(clock.now(), now)
    run.passed = proof.passed
    run.periods = periods_in(scope).count()
    run.steps = steps_as_json(proof)
    run.differences = [
        {"step": result.step.title, "difference": str(difference)}
        for result in proof.results
        for difference in result.found[:_NAMED]
    ]
    run.save()
    kept = ProofRun.objects.order_by("-started_at").values_list("pk", flat=True)[:KEPT]
    ProofRun.objects.exclude(pk__in=list(kept)).delete()
    if not proof.passed:
        _tell_finance(run, proof, now)
    return run


def last_run() -> ProofRun | None:
    """The last one that came to its end."""
    return ProofRun.objects.filter(finished_at__isnull=False).order_by("-started_at").first()


def _tell_finance(run: ProofRun, proof: Proof, now: dt.datetime) -> None:
    count = proof.count
    log.error("the ledger does not agree: %d differences", count)
    notify_finance(
        key=f"proof:{run.pk}",
        subject=f"The ledger does not agree: {count} difference{'' if count == 1 else 's'}",
        paragraphs=[
            "Each step from usage records to payments was proved anew. These did not agree:",
            *(
                f"{result.step.title}: {result.count}. First: {result.first}."
                for result in proof.results
                if not result.passed
            ),
            "check_ledger names every difference.",
        ],
        now=now,
    )
