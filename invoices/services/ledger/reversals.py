"""Late reversals that credit notes give back against their records and the periods they entered."""

from collections.abc import Iterator

from usage.services.ledger import LedgerDifference, Scope, rows

# Each reversal is given back once by a constraint; here, that what is said of it is the record's.
_PERIODS = """
SELECT period.workspace_id, period.id, period.reversals_credited, coalesce(given.taken_over, 0)
  FROM billing_billingperiod AS period
  LEFT JOIN (SELECT line.period_id, sum(line.taken_over) AS taken_over
               FROM invoices_creditnoteitem AS line
               JOIN invoices_creditnote AS note ON note.id = line.credit_note_id
              WHERE line.period_id IS NOT NULL AND note.status = 'issued'
              GROUP BY line.period_id) AS given ON given.period_id = period.id
 WHERE period.reversals_credited <> coalesce(given.taken_over, 0)
   AND (%(workspace)s::uuid IS NULL OR period.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR period.id = %(period)s)
 ORDER BY 1, 2
"""
_LINES = """
SELECT note.workspace_id, line.period_id, coalesce(note.number, note.id::text), line.taken_over,
       coalesce(given.amount, 0)
  FROM invoices_creditnoteitem AS line
  JOIN invoices_creditnote AS note ON note.id = line.credit_note_id
  LEFT JOIN (SELECT item_id, sum(amount) AS amount FROM invoices_creditedrecord GROUP BY item_id)
    AS given ON given.item_id = line.id
 WHERE coalesce(line.taken_over, 0) > coalesce(given.amount, 0)
   AND (%(workspace)s::uuid IS NULL OR note.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR line.period_id = %(period)s)
 ORDER BY 1, 2, 3
"""
# Each record by its primary key.
_RECORDS = """
SELECT given.workspace_id, line.period_id, given.record_id, given.amount, -reversal.final_cost
  FROM invoices_creditedrecord AS given
  JOIN invoices_creditnoteitem AS line ON line.id = given.item_id
  LEFT JOIN usage_usagerecord AS reversal
    ON reversal.workspace_id = given.workspace_id AND reversal.id = given.record_id
 WHERE (reversal.id IS NULL OR given.amount <> -reversal.final_cost
        OR reversal.reverses_id IS DISTINCT FROM given.reversed_id
        OR reversal.billing_period_id IS DISTINCT FROM line.period_id)
   AND (%(workspace)s::uuid IS NULL OR given.workspace_id = %(workspace)s)
   AND (%(period)s::uuid IS NULL OR line.period_id = %(period)s)
 ORDER BY 1, 2, 3
"""


def reversal_differences(scope: Scope) -> Iterator[LedgerDifference]:
    """Where credit notes do not give back what was reversed, or a period does not say so."""
    for workspace, period, says, given in rows(_PERIODS, scope):
        detail = f"says that {says} of its late reversals is credited, credit notes took {given}"
        yield LedgerDifference("period and credited reversals", workspace, period, detail)
    for workspace, period, note, taken, amount in rows(_LINES, scope):
        detail = f"credit note {note} takes over {taken}, its records come to {amount}"
        yield LedgerDifference("credit note and records", workspace, period, detail)
    for workspace, period, record, amount, reversed_ in rows(_RECORDS, scope):
        detail = f"record {record} is credited with {amount}, it takes back {reversed_}"
        yield LedgerDifference("credit note and records", workspace, period, detail)
