"""What is written about events of an invoice, in the language of who has to pay it.

Rows, finance and the API have it in English. The sentences that are known here by their form are
said in the active language, with amounts and words as that writes them; what a person typed stays.
"""

import re
from collections.abc import Callable
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from billing.formats import money, word
from billing.languages import active_language
from billing.phrases import phrase
from invoices.models import InvoiceEvent

_Match = re.Match[str]
_NUMBER = re.compile(r"[\d,]+(?:\.\d+)?")
_MONEY = r"[^\d ]*[\d,]+(?:\.\d+)?"
_AMOUNTS = ("amount", "whole", "left")
_FORMS: list[tuple[re.Pattern[str], Callable[[_Match], str]]] = [
    (re.compile(form), text)
    for form, text in (
        (r"As (?P<number>\S+)\.", lambda found: _("As {number}.")),
        (r"Attempt (?P<count>\d+)\.", lambda found: _("Attempt {count}.")),
        (r"On the due date\.", lambda found: _("On the due date.")),
        (
            r"(?P<days>\d+) days? before the due date\.",
            lambda found: ngettext(
                "{days} day before the due date.",
                "{days} days before the due date.",
                int(found["days"]),
            ),
        ),
        (
            r"(?P<days>\d+) days? after the due date\.",
            lambda found: ngettext(
                "{days} day after the due date.",
                "{days} days after the due date.",
                int(found["days"]),
            ),
        ),
        (
            r"It was not paid by its due date\.",
            lambda found: _("It was not paid by its due date."),
        ),
        (
            rf"(?P<amount>{_MONEY}) is charged with the next invoice\.",
            lambda found: _("{amount} is charged with the next invoice."),
        ),
        (
            rf"(?P<amount>{_MONEY}) of your credit is taken off it\.",
            lambda found: _("{amount} of your credit is taken off it."),
        ),
        (
            rf"(?P<amount>{_MONEY}) by (?P<way>.+?)(?P<reference> \(.*\))?;"
            rf" (?P<left>{_MONEY}) is still open\.",
            lambda found: _("{amount} by {way}{reference}; {left} is still open."),
        ),
        (
            rf"(?P<amount>{_MONEY}) of (?P<whole>{_MONEY}) refunded in all\.",
            lambda found: _("{amount} of {whole} refunded in all."),
        ),
        (
            rf"(?P<amount>{_MONEY}) was charged back for good, and is open again:"
            r" (?P<explanation>.+)",
            lambda found: _("{amount} was charged back for good, and is open again: {explanation}"),
        ),
        (
            rf"(?P<amount>{_MONEY}) was charged back for good, and is written off:"
            r" (?P<explanation>.+)",
            lambda found: _(
                "{amount} was charged back for good, and is written off: {explanation}"
            ),
        ),
        (
            r"(?P<number>\S+) is void: (?P<explanation>.+)",
            lambda found: _("{number} is void: {explanation}"),
        ),
        (
            rf"(?P<number>\S+) over (?P<amount>{_MONEY}): (?P<explanation>.+)",
            lambda found: _("{number} over {amount}: {explanation}"),
        ),
    )
]


def event_detail(event: InvoiceEvent, currency: str) -> str:
    """In the active language, as far as its form is known."""
    if active_language() == "en":
        return event.detail
    for form, text in _FORMS:
        found = form.fullmatch(event.detail)
        if found:
            said = {
                name: _amount(part, currency) if name in _AMOUNTS else phrase(part or "")
                for name, part in found.groupdict().items()
            }
            return text(found).format(**said)
    return word(event.detail)


def _amount(text: str, currency: str) -> str:
    number = _NUMBER.search(text)
    return money(Decimal(number[0].replace(",", "")), currency) if number else text
