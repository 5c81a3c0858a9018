"""Rows of documents, money and terms against the log of their changes: what no entry has made of
them.

Sums hold what adds up. A status, a day, a text, or an amount that nothing adds up to is held by the
log, which triggers write with each change: with the triggers off, a row and its log part.
"""

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

from billing.issuers import digest_of
from billing.models import Letterhead
from billing.services.erasure import ERASED
from usage.services.ledger import LedgerDifference, Scope, rows


class _Logged(NamedTuple):
    """A table; SQL of its row's workspace, period and name, with what it has to be joined with."""

    table: str
    called: str
    name: str
    workspace: str = "here.workspace_id"
    period: str = "NULL::uuid"
    joined: str = ""
    key: str = "id"


# Fourteen hours after its beginning a month has begun everywhere.
_MONTH = "to_char({}.period_start + interval '14 hours', 'YYYY-MM')"
_OF_INVOICE = {
    "workspace": "invoice.workspace_id",
    "period": "invoice.billing_period_id",
    "joined": "JOIN invoices_invoice AS invoice ON invoice.id = here.invoice_id",
}
_OF_NOTE = {
    "workspace": "note.workspace_id",
    "period": "invoice.billing_period_id",
    "joined": "JOIN invoices_creditnote AS note ON note.id = here.credit_note_id"
    " JOIN invoices_invoice AS invoice ON invoice.id = note.invoice_id",
}
_OF_PERIOD = {
    "workspace": "period.workspace_id",
    "period": "period.id",
    "joined": "JOIN billing_billingperiod AS period ON period.id = here.period_id",
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
        "invoices_taxdecision", "decision on tax", "invoice.number", key="invoice_id", **_OF_INVOICE
    ),
    _Logged(
        "invoices_creditnote", "credit note", "coalesce(here.number, here.id::text)", **_OF_INVOICE
    ),
    _Logged(
        "invoices_creditnoteitem",
        "line",
        "coalesce(note.number, 'a draft') || ' line ' || here.position",
        **_OF_NOTE,
    ),
    _Logged("invoices_creditnotetax", "tax", "note.number || ' ' || here.name", **_OF_NOTE),
    _Logged("invoices_einvoice", "e-invoice", "here.id::text"),
    _Logged("invoices_trialinvoice", "trial", _MONTH.format("period"), **_OF_PERIOD),
    _Logged(
        "payments_creditnotestep",
        "request for a credit note",
        "coalesce(note.number, '') || ' ' || here.kind",
        workspace="note.workspace_id",
        joined="JOIN invoices_creditnote AS note ON note.id = here.sync_id",
    ),
    _Logged("payments_reportedpayment", "report of a payment", "invoice.number", **_OF_INVOICE),
    _Logged("payments_paymententry", "entry", "here.stripe_id", **_OF_INVOICE),
    _Logged("payments_chargeback", "chargeback", "here.stripe_id", **_OF_INVOICE),
    _Logged("payments_payment", "payment", "here.id::text"),
    _Logged("payments_paymentreversal", "payment taken back", "here.payment_id::text"),
    _Logged("payments_creditentry", "credit", "here.currency || ' entry ' || here.position"),
    _Logged("payments_calldispute", "dispute", "here.id::text"),
    _Logged("billing_manualitem", "line by hand", "here.description", period="here.period_id"),
    _Logged("billing_discount", "discount", "here.name"),
    _Logged("billing_periodcharge", "charge", "here.description", **_OF_PERIOD),
    _Logged("billing_billingperiod", "period", _MONTH.format("here"), period="here.id"),
)
# What the log says of a password.
_HIDDEN = "(hidden)"
_NOBODYS = {"workspace": "NULL::uuid"}
# What is agreed, and who may change it: what the next bill is made by.
_TERMS = (
    _Logged("billing_workspace", "customer", "here.name", workspace="here.id"),
    _Logged("billing_workspacebillingsettings", "terms", "'terms'", key="workspace_id"),
    _Logged("billing_workspacemember", "member", "here.role"),
    _Logged("billing_servicekey", "key", "here.name"),
    _Logged("billing_user", "person", "here.email", **_NOBODYS),
    _Logged("billing_subscriptiontier", "tier", "here.name", **_NOBODYS),
    _Logged("billing_tierprice", "price of a tier", "here.currency", **_NOBODYS),
    _Logged("billing_platformsetting", "setting", "here.name", key="name", **_NOBODYS),
    _Logged("billing_ratecard", "rate card", "here.name", **_NOBODYS),
    _Logged("billing_ratecardversion", "rate card's version", "here.number::text", **_NOBODYS),
    _Logged(
        "billing_rate",
        "rate",
        "concat_ws(' ', here.resource_type, here.provider, here.model)",
        **_NOBODYS,
    ),
    _Logged("billing_ratecardassignment", "rate card in use", "here.id::text"),
    _Logged(
        "billing_priceoverride",
        "price",
        "concat_ws(' ', here.resource_type, here.provider, here.model)",
    ),
    _Logged(
        "billing_providercost",
        "cost",
        "concat_ws(' ', here.resource_type, here.provider, here.model)",
    ),
    _Logged(
        "billing_exchangerate",
        "exchange rate",
        "concat_ws(' ', here.from_currency, here.to_currency, here.day)",
        **_NOBODYS,
    ),
    _Logged("billing_addon", "add-on", "here.name"),
    _Logged("billing_commitment", "commitment", "here.id::text"),
    _Logged("billing_coupon", "coupon", "here.code", **_NOBODYS),
    _Logged("billing_taxregistration", "tax registration", "here.country", **_NOBODYS),
    _Logged("billing_taxrate", "tax rate", "here.country || ' ' || here.tax_class", **_NOBODYS),
    _Logged("billing_issuingentity", "issuing entity", "here.name", **_NOBODYS),
    _Logged("billing_issuerbankaccount", "bank account", "here.currency", **_NOBODYS),
)
# OFFSET 0: the row is turned to JSON once, not once a column.
#
# The last entry by its time says what a column is. Where a clock was set back, or another server
# took over, that may not be the last one: then the value that was reached once more often than it
# was left is where the entries lead, whatever their times. Of some columns the log has the digest.
_CHANGED = """
SELECT {workspace}, {period}, {name}, said.key, said.value, now.value,
       jsonb_typeof(found.row -> said.key) = 'number'
  FROM {table} AS here {joined}
 CROSS JOIN LATERAL (SELECT to_jsonb(here) AS row OFFSET 0) AS found
 CROSS JOIN LATERAL (
       SELECT DISTINCT ON (change.key) change.key, change.value ->> 1 AS value
         FROM billing_auditentry AS entry, jsonb_each(entry.changes) AS change
        WHERE entry."table" = '{table}' AND entry.object_id = here.{key}::text
        ORDER BY change.key, entry.at DESC) AS said
 CROSS JOIN LATERAL (
       SELECT CASE WHEN said.value LIKE 'sha256:%%' THEN billing_digest(found.row ->> said.key)
                   ELSE found.row ->> said.key END AS value OFFSET 0) AS now
 WHERE found.row ? said.key AND said.value IS DISTINCT FROM now.value
   AND (SELECT count(*) FILTER (WHERE step ->> 1 IS NOT DISTINCT FROM now.value)
               - count(*) FILTER (WHERE step ->> 0 IS NOT DISTINCT FROM now.value)
          FROM (SELECT entry.changes -> said.key AS step FROM billing_auditentry AS entry
                 WHERE entry."table" = '{table}' AND entry.object_id = here.{key}::text
                   AND entry.changes ? said.key) AS steps) <> 1
   AND (%(workspace)s::uuid IS NULL OR {workspace} = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR {period} = %(period)s)
 ORDER BY 1, 2, 3, 4
"""
_GONE = """
SELECT entry.workspace_id, entry.object_id, entry.subject
  FROM billing_auditentry AS entry
 WHERE entry."table" = '{table}' AND entry.operation = 'insert'
   AND NOT EXISTS (SELECT FROM {table} AS here WHERE here.{key}::text = entry.object_id)
   AND NOT EXISTS (SELECT FROM billing_auditentry AS later
                    WHERE later."table" = '{table}' AND later.object_id = entry.object_id
                      AND later.operation = 'delete')
   AND (%(workspace)s::uuid IS NULL OR entry.workspace_id = %(workspace)s)
   AND %(period)s::uuid IS NULL
 ORDER BY 1, 2
"""


def history_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where a row is not what its logged changes have made of it, or is gone without one; and
    letterheads that are not those that documents were issued with."""
    yield from _letterhead_differences(scope)
    for logged in (*_TABLES, *_TERMS):
        facts = logged._asdict()
        what = f"{logged.called} and its history"
        for workspace, period, name, column, said, found, is_number in rows(
            _CHANGED.format(**facts), scope
        ):
            if not _same(said, found, is_number=is_number):
                detail = f"{name}: {column} is {_shown(found)}, by its log {_shown(said)}"
                yield LedgerDifference(what, workspace, period, detail)
        for workspace, key, subject in rows(_GONE.format(**facts), scope):
            yield LedgerDifference(
                what, workspace, None, f"{subject or key}: gone, and no entry says so"
            )


def _letterhead_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """A letterhead is named by its digest, and documents name it in their logged rows."""
    if scope.workspace_id is not None:
        return  # they are no workspace's
    for letterhead in Letterhead.objects.order_by("pk").iterator(chunk_size=20):
        if digest_of(letterhead.facts, bytes(letterhead.logo)) != letterhead.digest:
            detail = f"{letterhead.digest} ({letterhead}) is not what it was issued as"
            yield LedgerDifference("letterhead and its digest", None, None, detail)


def _same(said: str | None, found: str | None, *, is_number: bool) -> bool:
    """The same value, however PostgreSQL wrote it then; an erased name is nobody's any more, and a
    secret is not in the log."""
    if said == _HIDDEN:
        return True
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
