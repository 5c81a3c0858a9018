"""Descriptions of lines and legal texts, made in English, in the language of their reader.

Rating writes a line's description from few forms (`billing.rating`): "Included, of 1,000". They are
known again by their form here and said in the active language, so that rows, the API and finance
have one wording, and a document its customer's. A text of no such form, as a person typed it, stays
as it is.
"""

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal

from babel.dates import format_interval, format_skeleton
from django.utils.translation import gettext as _

from billing.formats import country_name, exact_money, long_date, month_name, quantity, word
from billing.languages import active_language

_MONTHS = "January February March April May June July August September October November December"
_MONTH = {name: number for number, name in enumerate(_MONTHS.split(), start=1)}
_NUMBER = r"[\d,]+(?:\.\d+)?"
_MONTH_NAME = "|".join(_MONTH)
_SPAN = (
    rf"\d+ (?:{_MONTH_NAME})(?: \d{{4}})?(?: - \d+ (?:{_MONTH_NAME})(?: \d{{4}})?)?"
    rf"|\d+-\d+ (?:{_MONTH_NAME})"
)
_DAY = re.compile(rf"(\d+) ({_MONTH_NAME})(?: (\d{{4}}))?")
# A year with a 29 February, where a text names none.
_ANY_YEAR = 2024
_Said = Callable[[re.Match[str]], str]


def phrase(text: str) -> str:
    """The description in the active language."""
    if active_language() == "en":
        return text
    for form, said in _FORMS:
        match = form.fullmatch(text)
        if match:
            return said(match)
    return word(text)


def _figure(text: str) -> str:
    return quantity(Decimal(text.replace(",", "")))


def _amount(text: str) -> str:
    """As "200 USD"; lines of closed months may be without the currency."""
    number, _space, currency = text.partition(" ")
    return exact_money(Decimal(number), currency) if currency else text


def _month(text: str) -> str:
    name, year = text.split()
    return month_name(dt.date(int(year), _MONTH[name], 1))


def _months(text: str) -> str:
    return ", ".join(_month(each) for each in text.split(", "))


def _reason(text: str) -> str:
    """Of a dispute, as its owner chose it."""
    return word(text.capitalize())


def _span(text: str) -> str:
    """As `billing.rating.proration.span_text` writes days."""
    if within := re.fullmatch(rf"(\d+)-(\d+) ({_MONTH_NAME})", text):
        month = _MONTH[within[3]]
        return _days(*(dt.date(_ANY_YEAR, month, int(day)) for day in within.group(1, 2)))
    days = [
        dt.date(int(year or _ANY_YEAR), _MONTH[month], int(day))
        for day, month, year in _DAY.findall(text)
    ]
    if re.search(r"\d{4}", text):
        first, last = days
        return f"{long_date(first)} – {long_date(last)}"
    return _days(*days)


def _days(*days: dt.date) -> str:
    """A day, or some days of one year, without that year."""
    language = active_language()
    if len(days) == 1:
        return format_skeleton("MMMMd", days[0], locale=language)
    return format_interval(days[0], days[-1], "MMMMd", locale=language)


def _covered(text: str) -> str:
    return {
        "usage and fees": _("usage and fees"),
        "usage": _("usage"),
        "fees": _("fees"),
    }.get(text, text)


def _part(match: re.Match[str]) -> str:
    return _("{name}, {days}, {part} of {whole} days").format(
        name=word(match[1]), days=_span(match[2]), part=match[3], whole=match[4]
    )


def _tier(match: re.Match[str]) -> str:
    is_all, above, up_to = match[1] == "All units", match[2], match[3]
    if above and up_to:
        form = (
            _("All units above {lower} up to {upper}")
            if is_all
            else _("Units above {lower} up to {upper}")
        )
    elif above:
        form = _("All units above {lower}") if is_all else _("Units above {lower}")
    elif up_to:
        form = _("All units up to {upper}") if is_all else _("Units up to {upper}")
    else:
        return _("All units") if is_all else _("Units")
    return form.format(lower=_figure(above) if above else "", upper=_figure(up_to) if up_to else "")


def _clamp(match: re.Match[str]) -> str:
    least, most = match["least"], match["most"] or match["only_most"]
    if least and most:
        form = _("Minimum of {least} and maximum of {most} a record")
    else:
        form = _("Minimum of {least} a record") if least else _("Maximum of {most} a record")
    return form.format(least=_figure(least) if least else "", most=_figure(most) if most else "")


def _named(form: str, say: Callable[[], str], *read: Callable[[str], str]) -> tuple[str, _Said]:
    """A form with its groups, each read on its own and put into the text as {0}, {1}."""
    return form, lambda match: say().format(
        *(each(part) for each, part in zip(read, match.groups(), strict=True))
    )


_FORMS: list[tuple[re.Pattern[str], _Said]] = [
    (re.compile(form), said)
    for form, said in (
        _named(r"Exempt from tax: (.+)", lambda: _("Exempt from tax: {0}"), str),
        _named(
            r"Not subject to tax in ([A-Z]{2}): supplied outside of it\. A business accounts for"
            r" the tax of its own country\.",
            lambda: _(
                "Not subject to tax in {0}: supplied outside of it. A business accounts for the tax"
                " of its own country."
            ),
            country_name,
        ),
        # Why a credit note was made by itself.
        _named(
            r"Usage of (\w+ \d{4}(?:, \w+ \d{4})*) that was taken back after it was billed",
            lambda: _("Usage of {0} that was taken back after it was billed"),
            _months,
        ),
        _named(r"Call ([0-9a-f]{8}): (.+)", lambda: _("Call {0}: {1}"), str, _reason),
        _named(r"Late usage, (\w+ \d{4})", lambda: _("Late usage, {0}"), _month),
        _named(rf"Yearly Subscription, ({_SPAN})", lambda: _("Yearly Subscription, {0}"), _span),
        (rf"(.+), ({_SPAN}), (\d+) of (\d+) days", _part),
        _named(
            r"Minimum commitment of (.+) on (usage and fees|usage|fees), not used",
            lambda: _("Minimum commitment of {0} on {1}, not used"),
            _amount,
            _covered,
        ),
        _named(
            rf"(.+), ({_NUMBER})% off (usage and fees|usage|fees)",
            lambda: _("{0}, {1}% off {2}"),
            str,
            _figure,
            _covered,
        ),
        _named(r"(.+), off (usage and fees|usage|fees)", lambda: _("{0}, off {1}"), str, _covered),
        _named(rf"Included, of ({_NUMBER})", lambda: _("Included, of {0}"), _figure),
        _named(rf"Packages of ({_NUMBER})", lambda: _("Packages of {0}"), _figure),
        (
            rf"(All units|Units)(?: above ({_NUMBER}))?(?: up to ({_NUMBER}))?",
            _tier,
        ),
        _named(
            rf"Fixed amounts of ({_NUMBER}) a record",
            lambda: _("Fixed amounts of {0} a record"),
            _figure,
        ),
        _named(
            rf"Provider cost plus ({_NUMBER}) %", lambda: _("Provider cost plus {0} %"), _figure
        ),
        (
            rf"Minimum of (?P<least>{_NUMBER})(?: and maximum of (?P<most>{_NUMBER}))? a record"
            rf"|Maximum of (?P<only_most>{_NUMBER}) a record",
            _clamp,
        ),
    )
]
