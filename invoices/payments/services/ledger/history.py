"""Rows of documents and money against the log of their changes: what no entry has made of them.

Sums hold what adds up. A status, a day, a text, or an amount that nothing adds up to is held by the
log, which triggers write with each change: with the triggers off, a row and its log part.
"""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from billing.services.erasure import ERASED
from usage.services.ledger import Difference, Scope, rows


class _Logged(NamedTuple):
    """A table; SQL of its row's workspace, period and name, with what it has to be joined with."""

    table: str
    called: str
    name: str
    workspace: str = "here.workspace_id"
    period: str = "NULL::uuid"
    joined: str = ""


_OF_INVOICE = {
    "workspace": "invoice.workspace_id",
    "period": "invoice.billing_period_id",
    "joined": "JOIN invoices_invoice AS invoice ON invoice.id = here.invoice_id",
}
_TABLES = (
    _Logged("invoices_invoice", "invoice", "here.number", period="here.billing_period_id"),
    _Logged(
        "invoices_invoiceitem",
        "line",
        "invoice.number || ' line ' || here.position",
        **_OF_INVOICE,
    ),
    _Logged("invoices_invoicetax", "tax", "invoice.number || ' ' || here.name", **_OF_INVOICE),
    _Logged(
        "invoices_creditnote", "credit note", "coalesce(here.number, here.id::text)", **_OF_INVOICE
    ),
    _Logged("payments_paymententry", "entry", "here.stripe_id", **_OF_INVOICE),
    _Logged("payments_chargeback", "chargeback", "here.stripe_id", **_OF_INVOICE),
    _Logged("payments_payment", "payment", "here.id::text"),
    _Logged("payments_paymentreversal", "payment taken back", "here.payment_id::text"),
    _Logged("payments_creditentry", "credit", "here.currency || ' entry ' || here.position"),
    _Logged("payments_calldispute", "dispute", "here.id::text"),
    _Logged("billing_manualitem", "line by hand", "here.description", period="here.period_id"),
    _Logged("billing_discount", "discount", "here.name"),
    _Logged(
        "billing_billingperiod", "period", "left(here.period_start::text, 7)", period="here.id"
    ),
)
# OFFSET 0: the row is turned to JSON once, not once a column.
#
# The last entry by its time says what a column is. Where a clock was set back, or another server
# took over, that may not be the last one: then the value that was reached once more often than it
# was left is where the entries lead, whatever their times.
_CHANGED = """
SELECT {workspace}, {period}, {name}, said.key, said.value, found.row ->> said.key,
       jsonb_typeof(found.row -> said.key) = 'number'
  FROM {table} AS here {joined}
 CROSS JOIN LATERAL (SELECT to_jsonb(here) AS row OFFSET 0) AS found
 CROSS JOIN LATERAL (
       SELECT DISTINCT ON (change.key) change.key, change.value ->> 1 AS value
         FROM billing_auditentry AS entry, jsonb_each(entry.changes) AS change
        WHERE entry."table" = '{table}' AND entry.object_id = here.id::text
        ORDER BY change.key, entry.at DESC) AS said
 WHERE found.row ? said.key AND said.value IS DISTINCT FROM found.row ->> said.key
   AND (SELECT count(*) FILTER (WHERE step ->> 1 IS NOT DISTINCT FROM found.row ->> said.key)
               - count(*) FILTER (WHERE step ->> 0 IS NOT DISTINCT FROM found.row ->> said.key)
          FROM (SELECT entry.changes -> said.key AS step FROM billing_auditentry AS entry
                 WHERE entry."table" = '{table}' AND entry.object_id = here.id::text
                   AND entry.changes ? said.key) AS steps) <> 1
   AND (%(workspace)s::uuid IS NULL OR {workspace} = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR {period} = %(period)s)
 ORDER BY 1, 2, 3, 4
"""
_GONE = """
SELECT entry.workspace_id, entry.object_id, entry.subject
  FROM billing_auditentry AS entry
 WHERE entry."table" = '{table}' AND entry.operation = 'insert'
   AND NOT EXISTS (SELECT FROM {table} AS here WHERE here.id = entry.object_id::uuid)
   AND NOT EXISTS (SELECT FROM billing_auditentry AS later
                    WHERE later."table" = '{table}' AND later.object_id = entry.object_id
                      AND later.operation = 'delete')
   AND (%(workspace)s::uuid IS NULL OR entry.workspace_id = %(workspace)s)
   AND %(period)s::uuid IS NULL
 ORDER BY 1, 2
"""


def history_differences(scope: Scope) -> Iterator[Difference]:
    """Where a row is not what its logged changes have made of it, or is gone without one."""
    for logged in _TABLES:
        facts = logged._asdict()
        what = f"{logged.called} and its history"
        for workspace, period, name, column, said, found, is_number in rows(
            _CHANGED.format(**facts), scope
        ):
            if not _same(said, found, is_number=is_number):
                detail = f"{name}: {column} is {_shown(found)}, by its log {_shown(said)}"
                yield Difference(what, workspace, period, detail)
        for workspace, key, subject in rows(_GONE.format(**facts), scope):
            yield Difference(what, workspace, None, f"{subject or key}: gone, and no entry says so")


def _same(said: str | None, found: str | None, *, is_number: bool) -> bool:
    """The same value, however PostgreSQL wrote it then; an erased name is nobody's any more."""
    if said is None or found is None:
        return said == found
    if said in (found, ERASED):
        return True
    try:
        if is_number:
            return Decimal(said) == Decimal(found)
        return dt.datetime.fromisoformat(said) == dt.datetime.fromisoformat(found)
    except (InvalidOperation, ValueError, TypeError):
        return False  # neither a number nor a time, or only one of them is


def _shown(value: str | None) -> str:
    return "empty" if not value else value if len(value) <= 80 else f"{value[:79]}…"
