"""Usage records by themselves: only ever added, priced by their own terms, as they were sealed."""

from collections.abc import Iterator

from django.db.models import QuerySet
from django.utils import timezone as clock

from billing.models import BillingPeriod, Workspace
from usage.services import sealing
from usage.services.ledger.scope import LedgerDifference, Scope, rows

# Table -> what refuses to change its rows, and to empty it.
_GUARDS = {
    "usage_usagerecord": ("usage_records_are_append_only", "usage_records_are_not_truncated"),
    "usage_periodseal": ("period_seals_are_append_only", "period_seals_are_not_truncated"),
    "usage_sealfingerprints": ("fingerprints_are_append_only", "fingerprints_are_not_truncated"),
    "billing_auditentry": ("audit_log_is_append_only", "audit_log_is_not_truncated"),
}
# The guards of rows stand on each partition too, and may be switched off on each.
_MISSING_GUARDS = """
SELECT wanted.guard, place.relid::regclass::text,
       (SELECT tgenabled FROM pg_trigger WHERE tgrelid = place.relid AND tgname = wanted.guard)
  FROM unnest(%(tables)s::text[], %(guards)s::text[]) AS wanted (name, guard)
 CROSS JOIN LATERAL (
       SELECT relid FROM pg_partition_tree(wanted.name::regclass)
       UNION SELECT wanted.name::regclass) AS place
 WHERE NOT EXISTS (
       SELECT FROM pg_trigger
        WHERE tgrelid = place.relid AND tgname = wanted.guard AND tgenabled IN ('O', 'A'))
 ORDER BY 2, 1
"""
# Half a step of the tenth decimal: a cost is rounded once, from the exact product. True-ups have
# the difference of two costs; what a rate card makes of a cost is proved by its seal alone.
_AMISS = """
record.trues_up_id IS NULL AND (
    abs(record.quantity * record.unit_cost * coalesce(record.exchange_rate, 1)
        - record.total_cost) > 0.00000000005
    OR record.rate_id IS NULL AND (
        record.markup_percentage IS NULL
        OR abs(record.quantity * record.unit_cost * coalesce(record.exchange_rate, 1)
               * (1 + record.markup_percentage * 0.01) - record.final_cost) > 0.00000000005))
"""
_RECORDS = f"""
WITH held AS (
    SELECT record.workspace_id, record.billing_period_id, count(*) AS records,
           count(*) FILTER (WHERE {_AMISS}) AS amiss,
           min(record.id::text) FILTER (WHERE {_AMISS}) AS first_amiss
      FROM {{records}} AS record
     GROUP BY record.workspace_id, record.billing_period_id
)
SELECT held.workspace_id, held.billing_period_id, held.records, held.amiss, held.first_amiss,
       period.id IS NULL
  FROM held
  LEFT JOIN billing_billingperiod AS period
    ON period.id = held.billing_period_id AND period.workspace_id = held.workspace_id
 WHERE held.amiss > 0 OR period.id IS NULL
 ORDER BY 1, 2
"""  # noqa: S608 - constants are all that goes in


def record_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where records may be changed, belong to no period, do not have the cost and price of their
    own terms, or are not what was sealed."""
    yield from _guard_differences(scope)
    for workspace, period, records, amiss, first, is_stray in rows(_RECORDS, scope):
        if is_stray:
            detail = f"{records} records are in a period that the workspace does not have"
            yield LedgerDifference("records and periods", workspace, period, detail)
        if amiss:
            detail = f"record {first} does not cost what its quantity and unit cost make"
            detail += f"; {amiss} records do not" if amiss > 1 else ""
            yield LedgerDifference("records and prices", workspace, period, detail)
    for finding in _seal_findings(scope):
        detail = f"{finding.period}: {finding.detail}"
        yield LedgerDifference("records and seals", finding.workspace_id, finding.period_id, detail)


def _guard_differences(scope: Scope) -> Iterator[LedgerDifference]:
    wanted = [(table, guard) for table, guards in _GUARDS.items() for guard in guards]
    tables, guards = zip(*wanted, strict=True)
    found = rows(_MISSING_GUARDS, scope, tables=list(tables), guards=list(guards))
    for guard, table, state in found:
        what = "is missing" if state is None else "is switched off"
        detail = f"trigger {guard} of {table} {what}: rows could be changed there"
        yield LedgerDifference("records and triggers", None, None, detail)


def _seal_findings(scope: Scope) -> Iterator[sealing.Finding]:
    now = clock.now()
    if scope.period is not None:
        yield from sealing.verify_period(period=scope.period, now=now)
        return
    workspaces = list(_closed_workspaces(scope).values_list("pk", flat=True))
    yield from sealing.verify_chains(workspaces, now=now)


def _closed_workspaces(scope: Scope) -> QuerySet[Workspace]:
    """Those with a chain of seals, or with something to seal."""
    closed = BillingPeriod.objects.exclude(status=BillingPeriod.Status.CURRENT)
    with_some = Workspace.objects.filter(pk__in=closed.values("workspace_id"))
    sealed = Workspace.objects.filter(seal_chain__isnull=False)
    found = (with_some | sealed).distinct().order_by("pk")
    return found if scope.workspace_id is None else found.filter(pk=scope.workspace_id)
