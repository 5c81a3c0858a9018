"""Tax by country, rate and month, from the documents that charge it or give it back."""

from typing import Any

from analytics.reports.definition import (
    ASKED_FOR,
    CURRENCY,
    ISSUED_ON,
    MONTH,
    NOTE_VOIDED_ON,
    NOTED_ON,
    VOIDED_ON,
    Basis,
    Report,
    ReportRequest,
    count,
    money,
    selected,
    text,
)
from billing.tables import Column, Kind
from invoices.models import TaxCategory

_TAXES = f"""
WITH documents AS (
     SELECT {ISSUED_ON} AS day, w.id AS workspace_id, t.country, t.region, t.name, t.category,
            t.rate, t.currency, 1 AS invoices, t.base, t.tax, 0 AS void_base, 0 AS void_tax,
            0 AS note_base, 0 AS note_tax
       FROM invoices_invoicetax AS t JOIN invoices_invoice AS i ON i.id = t.invoice_id
       JOIN billing_workspace AS w ON w.id = i.workspace_id
     UNION ALL
     SELECT {VOIDED_ON}, w.id, t.country, t.region, t.name, t.category, t.rate, t.currency, 0, 0, 0,
            -t.base, -t.tax, 0, 0
       FROM invoices_invoicetax AS t JOIN invoices_invoice AS i ON i.id = t.invoice_id
       JOIN billing_workspace AS w ON w.id = i.workspace_id
      WHERE i.voided_at IS NOT NULL
     UNION ALL
     SELECT {NOTED_ON}, w.id, t.country, t.region, t.name, t.category, t.rate, t.currency, 0, 0, 0,
            0, 0, -c.base, -c.tax
       FROM invoices_creditnotetax AS c JOIN invoices_creditnote AS n ON n.id = c.credit_note_id
       JOIN billing_workspace AS w ON w.id = n.workspace_id
       JOIN invoices_invoicetax AS t ON t.invoice_id = n.invoice_id AND t.category = c.category
                                    AND t.rate = c.rate
      WHERE n.number IS NOT NULL
     UNION ALL
     SELECT {NOTE_VOIDED_ON}, w.id, t.country, t.region, t.name, t.category, t.rate, t.currency, 0,
            0, 0, 0, 0, c.base, c.tax
       FROM invoices_creditnotetax AS c JOIN invoices_creditnote AS n ON n.id = c.credit_note_id
       JOIN billing_workspace AS w ON w.id = n.workspace_id
       JOIN invoices_invoicetax AS t ON t.invoice_id = n.invoice_id AND t.category = c.category
                                    AND t.rate = c.rate
      WHERE n.number IS NOT NULL AND n.voided_at IS NOT NULL)
SELECT date_trunc('month', day::timestamp)::date AS month, country, region, documents.name,
       category AS category_code, rate / 100 AS rate, documents.currency,
       sum(invoices) AS invoices, sum(base) AS base, sum(tax) AS tax, sum(void_base) AS void_base,
       sum(void_tax) AS void_tax, sum(note_base) AS note_base, sum(note_tax) AS note_tax,
       sum(base + void_base + note_base) AS net_base, sum(tax + void_tax + note_tax) AS net_tax
  FROM documents JOIN billing_workspace AS w ON w.id = documents.workspace_id
 WHERE day BETWEEN %(first)s AND least(%(last)s, %(known_on)s)
   AND {ASKED_FOR.format(currency="documents.currency")}
 GROUP BY 1, 2, 3, 4, 5, 6, 7
 ORDER BY documents.currency, 1, country, region, rate DESC, category
"""


def tax_rows(asked: ReportRequest) -> list[dict[str, Any]]:
    labels = dict(TaxCategory.choices)
    return [
        {**row, "category": labels.get(row["category_code"], row["category_code"])}
        for row in selected(_TAXES, asked)
    ]


TAXES = (
    Report(
        "taxes",
        "Taxes by country, rate and month",
        (
            MONTH,
            text("country", "Country"),
            text("region", "Region"),
            text("name", "Tax"),
            text("category", "Category"),
            Column("rate", "Rate", Kind.SHARE),
            CURRENCY,
            count("invoices", "Invoices"),
            money("base", "Net invoiced"),
            money("tax", "Tax invoiced"),
            money("void_base", "Net voided"),
            money("void_tax", "Tax voided"),
            money("note_base", "Net credited"),
            money("note_tax", "Tax credited"),
            money("net_base", "Net"),
            money("net_tax", "Tax"),
        ),
        tax_rows,
        Basis.RANGE,
        "Each document's own lines of tax, on its own day: invoices on the day of issue, void ones "
        "taken off again on the day they became void, credit notes on theirs, under the country of "
        "the invoice they are for. So what was reported for a month never changes afterwards. Net "
        "and tax are the sums of the three. Invoices on which no tax was decided are not in it.",
    ),
)
