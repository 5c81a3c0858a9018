"""Countries and tax numbers, checked by their form and check digits (python-stdnum).

What is printed on an invoice must at least be possible: a mistyped VAT number makes the invoice
worthless to who gets it, and Stripe refuses it later, when nobody is looking.
"""

import re
from collections.abc import Iterator
from typing import Any

from stdnum import get_cc_module
from stdnum.eu.vat import MEMBER_STATES

from billing.rating.taxes import EU

# ISO 3166-1, and XK, which stands for Kosovo wherever it is billed.
COUNTRIES = frozenset(
    """
    AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS
    BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE
    EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM
    HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC
    LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA
    NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW
    SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO
    TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW XK
    """.split()
)
# Numbers that a company may be known by, under the names that stdnum has for them.
_KINDS = "vat tin ein stnr siren siret codicefiscale orgnr pan cpf cnpj cn bn utr nif abn".split()
# VAT numbers that say their country themselves; Greece writes EL, Northern Ireland XI.
_PREFIXES = frozenset(state.upper() for state in MEMBER_STATES) - {"GR"} | {"EL", "GB", "XI"}
_FORM = re.compile(r"[0-9A-Za-z](?:[0-9A-Za-z ./*&+-]{0,38}[0-9A-Za-z+])?", re.ASCII)
_VAT = re.compile(r"[A-Z]{2}[0-9A-Z+*]{2,13}", re.ASCII)


def is_tax_number(text: str, *, country: str) -> bool:
    """Whether `text` can be a tax number of a company whose address is in `country` ("" unknown).

    A VAT number of the EU or the UK is checked by the country it names, wherever the company is;
    others by what is known of the address' country. Where nothing is known, only the form counts.
    """
    if not _FORM.fullmatch(text):
        return False
    compact = re.sub(r"[ ./-]", "", text).upper()
    if compact[:2] in _PREFIXES and _VAT.fullmatch(compact):
        named = {"EL": "GR", "XI": "GB"}.get(compact[:2], compact[:2])
        if any(kind.is_valid(compact) for kind in _kinds(named, ("vat",))):
            return True
        if country in ("", named):
            return False
    if country == "JP":
        text = text.removeprefix("T")  # an invoice number is the company's with a T before it
    kinds = list(_kinds(country, _KINDS))
    return not kinds or any(kind.is_valid(text) for kind in kinds)


def _kinds(country: str, names: Any) -> Iterator[Any]:
    for name in names:
        module = get_cc_module(country.lower(), name) if country else None
        if module is not None:
            yield module


def vat_number(text: str, *, country: str) -> str:
    """A VAT number of the EU as its register has it, prefix and all; empty where it is none.

    It must be one of `country`: a company is taxed where it is established.
    """
    compact = re.sub(r"[ ./-]", "", text).upper()
    prefix = "EL" if country == "GR" else country
    if country not in EU or not compact.startswith(prefix) or not _VAT.fullmatch(compact):
        return ""
    return compact if any(kind.is_valid(compact) for kind in _kinds(country, ("vat",))) else ""
