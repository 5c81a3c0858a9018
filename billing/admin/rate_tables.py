"""What pages of rate cards show: prices as a table, and who pays them."""

from typing import Any

from django.urls import reverse
from django.utils import timezone as clock
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from billing.models import (
    RateCard,
    RateCardVersion,
)
from billing.services import rate_card_rules
from billing.services.price_rows import in_words


def table(columns: tuple[str, ...], rows: list[tuple[Any, ...]]) -> SafeString:
    """Rows with their heads, for a page that shows and does not ask."""
    heads = format_html_join("", '<th class="font-semibold pb-2 pr-6 text-left">{}</th>', (
        (column,) for column in columns
    ))  # fmt: skip
    body = format_html_join(
        "",
        '<tr class="border-t border-base-200 dark:border-base-800">{}</tr>',
        (
            (format_html_join("", '<td class="py-2 pr-6 align-top">{}</td>', ((c,) for c in row)),)
            for row in rows
        ),
    )
    return format_html(
        '<div class="overflow-x-auto"><table class="w-full"><thead><tr>{}</tr></thead>'
        "<tbody>{}</tbody></table></div>",
        heads,
        body,
    )


def version_page(version: RateCardVersion) -> str:
    return reverse("admin:billing_ratecardversion_change", args=[version.pk])


def affected_text(card: RateCard) -> str:
    users = rate_card_rules.affected_workspaces(card, clock.now().date())
    names = list(users.order_by("name").values_list("name", flat=True)[:21])
    if not names:
        return "Nobody pays by this card yet."
    listed = ", ".join(names[:20])
    count = users.count()
    noun = "workspace" if count == 1 else "workspaces"
    return f"{count:,} {noun}: {listed}{', …' if len(names) > 20 else ''}"


def price_table(currency: str, versions: list[RateCardVersion]) -> SafeString:
    """Prices by match, version beside version; what differs from the one before stands out."""
    said: list[dict[tuple[str, str, str], str]] = []
    for version in versions:
        said.append({rate.match: in_words(rate.price, currency) for rate in version.rates.all()})
    matches = sorted({match for each in said for match in each}, reverse=True)
    heads = ["For"]
    for version in versions:
        state = "draft" if version.is_draft else f"from {version.effective_from}"
        heads.append(f"v{version.number}, {state}")
    rows = []
    for match in matches:
        cells: list[Any] = [" · ".join(part for part in match if part) or "any use"]
        for place, each in enumerate(said):
            text = each.get(match, "–")
            changed = place > 0 and text != said[place - 1].get(match, "–")
            cells.append(format_html("<strong>{}</strong>", text) if changed else text)
        rows.append(tuple(cells))
    return table(tuple(heads), rows)
