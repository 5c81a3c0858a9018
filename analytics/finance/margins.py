"""Margins of the active periods by provider, resource type, workspace and agent, for finance."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.safestring import SafeString

from analytics.adjustments import (
    ADJUSTED,
    PART_OF_ROW,
    WITH_ADJUSTED,
    Adjusted,
    as_parameters,
)
from billing.formats import money, percent, readable
from billing.replica import reading_connection
from usage.resources import provider_name

# Price and cost by currency and name.
Sums = dict[tuple[str, str], list[Decimal]]


class Margin(NamedTuple):
    """Sold and bought amounts of one provider or resource type, workspace or agent, in one
    currency. Sold is net: what tiers and included units take off is shared out by list price."""

    name: str
    currency: str
    price: Decimal
    cost: Decimal

    @property
    def margin(self) -> Decimal:
        return self.price - self.cost

    @property
    def share(self) -> Decimal | None:
        return self.margin / self.price if self.price else None


class Margins(NamedTuple):
    """Of workspaces and agents those that earn least, in each currency."""

    by_provider: list[Margin]
    by_resource_type: list[Margin]
    by_workspace: list[Margin]
    by_agent: list[Margin]


class MarginTable(NamedTuple):
    """In words: kept with the figures, since each amount of a page costs as much as a query."""

    heading: str
    html: SafeString


def in_words(margins: Margins, at: dt.datetime) -> list[MarginTable]:
    """As finance's first page shows them; agents only where there are any."""
    tables: list[tuple[str, list[Margin], Callable[[str], str]]] = [
        ("Margin by provider", margins.by_provider, provider_name),
        ("Margin by resource type", margins.by_resource_type, readable),
        ("Margin by workspace, lowest first", margins.by_workspace, str),
        ("Margin by agent, lowest first", margins.by_agent, str),
    ]
    return [
        MarginTable(
            heading,
            render_to_string(
                "admin/finance/margins.html",
                {"heading": heading, "rows": _rows(rows, name), "at": at},
            ),
        )
        for heading, rows, name in tables
        if rows or rows is not margins.by_agent
    ]


def _rows(rows: list[Margin], name: Callable[[str], str]) -> SafeString:
    made: list[SafeString] = []
    currency = ""
    for row in rows:
        if row.currency != currency:
            currency = row.currency
            made.append(
                format_html(
                    '<tr class="fin-group"><th colspan="5" scope="rowgroup">{}</th></tr>', currency
                )
            )
        made.append(
            format_html(
                '<tr><td>{}</td><td class="num">{}</td><td class="num">{}</td>'
                '<td class="num">{}</td><td class="num">{}</td></tr>',
                name(row.name),
                money(row.price, currency),
                money(row.cost, currency),
                money(row.margin, currency),
                percent(row.share),
            )
        )
    return SafeString("".join(made))


# Of each currency the names with the smallest margin, losses first.
_LEAST = """
  WITH {adjusted_as}
SELECT name, currency, price, cost
  FROM (SELECT summed.*, row_number() OVER (
               PARTITION BY currency ORDER BY price - cost, name) AS place
          FROM ({summed}) AS summed) AS ranked
 WHERE place <= %(shown)s
 ORDER BY currency, place
"""
LEAST_BY_WORKSPACE = _LEAST.format(
    adjusted_as=ADJUSTED,
    summed="""
        SELECT owner.name, owner.currency,
               sum(used.price) + coalesce(sum(added.amount), 0) AS price, sum(used.cost) AS cost
          FROM (SELECT billing_period_id, workspace_id, sum(final_cost) AS price,
                       sum(total_cost) AS cost
                  FROM usage_usagerollup
                 WHERE billing_period_id = ANY(%(active)s)
                 GROUP BY 1, 2) AS used
          JOIN billing_workspace AS owner ON owner.id = used.workspace_id
          LEFT JOIN (SELECT billing_period_id, sum(amount) AS amount FROM adjusted GROUP BY 1)
               AS added USING (billing_period_id)
         GROUP BY owner.id""",
)
_BY_AGENT = """
    SELECT agent.name || ' · ' || owner.name AS name, owner.currency,
           sum(u.final_cost + {part}) AS price, sum(u.total_cost) AS cost
      FROM usage_dimensionrollup AS u
      JOIN usage_voiceagent AS agent ON agent.id = u.agent_id
      JOIN billing_workspace AS owner ON owner.id = agent.workspace_id {with_adjusted}
     WHERE u.billing_period_id = ANY(%(active)s)
     GROUP BY agent.id, owner.id"""
LEAST_BY_AGENT = _LEAST.format(
    adjusted_as=ADJUSTED,
    summed=_BY_AGENT.format(part=PART_OF_ROW, with_adjusted=WITH_ADJUSTED),
)
_LEAST_SHOWN = 10


def least_earning(
    query: str, period_ids: list[UUID], adjusted: list[Adjusted], places: dict[str, int]
) -> list[Margin]:
    with reading_connection().cursor() as cursor:
        cursor.execute(
            query,
            {"active": period_ids, "shown": _LEAST_SHOWN, **as_parameters(adjusted)},
        )
        rows = [Margin(*row) for row in cursor]
    return sorted(rows, key=lambda row: places.get(row.currency, len(places)))


def by_price(sums: Sums, places: dict[str, int]) -> list[Margin]:
    rows = [Margin(name, currency, price, cost) for (currency, name), (price, cost) in sums.items()]
    return sorted(
        rows, key=lambda row: (places.get(row.currency, len(places)), -row.price, row.name)
    )
