"""Exact money: currencies, minor units, and splitting a total into cents. Pure functions.

Amounts are `Decimal`. "Minor" amounts are whole numbers of the currency's smallest unit
(cents for USD, yen for JPY, fils for KWD). What is charged goes in the currency's charge step,
which is coarser than that for some: cards take no single fils.
"""

from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, localcontext

# ISO 4217: how many decimals an amount has, where that is not two.
_EXPONENTS = {
    **dict.fromkeys(
        "BIF CLP DJF GNF ISK JPY KMF KRW MGA PYG RWF UGX VND VUV XAF XOF XPF".split(),
        0,
    ),
    **dict.fromkeys("BHD JOD KWD OMR TND".split(), 3),
}
# Of three decimals cards take two: such amounts are charged in steps of ten minor units.
# https://docs.stripe.com/currencies#three-decimal
_CHARGED_PLACES = 2
NO_DECIMALS = frozenset(currency for currency, places in _EXPONENTS.items() if places == 0)
# What can be charged: the currencies that the payment provider accepts for cards.
CURRENCIES = frozenset(
    """
    AED AFN ALL AMD ANG AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BWP BYN
    BZD CAD CDF CHF CLP CNY COP CRC CVE CZK DJF DKK DOP DZD EGP ETB EUR FJD FKP GBP GEL GIP GMD
    GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR ISK JMD JOD JPY KES KGS KHR KMF KRW KWD KYD KZT LAK
    LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD
    OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SEK SGD SHP SLE SOS SRD STD
    SZL THB TJS TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VND VUV WST XAF XCD XOF XPF YER ZAR
    ZMW
    """.split()
)
# More digits than any sum of columns can need: arithmetic here never rounds by accident.
EXACT = Context(prec=80)
_HALF_UP = Context(prec=80, rounding=ROUND_HALF_UP)
_ONE = Decimal(1)
# The smallest unit of currencies with so many decimals.
_STEPS = (_ONE, Decimal("0.1"), Decimal("0.01"), Decimal("0.001"))
ZERO = Decimal(0)


def exponent(currency: str) -> int:
    """How many decimals an amount of `currency` has: 2 for USD, 0 for JPY, 3 for KWD."""
    return _EXPONENTS.get(currency, 2)


def charge_places(currency: str) -> int:
    """How many decimals an amount that is charged has: 0 for ISK and JPY, 2 for USD and KWD."""
    return min(exponent(currency), _CHARGED_PLACES)


def charge_step(currency: str) -> Decimal:
    """The step in which amounts are charged: 0.01 for USD, 1 for ISK, 0.010 for KWD."""
    return from_minor(_step_minor(currency), currency)


def to_minor(amount: Decimal, currency: str) -> int:
    """`amount` rounded half-up (away from zero on a tie) to whole minor units."""
    return int(_HALF_UP.quantize(EXACT.scaleb(amount, exponent(currency)), _ONE))


def rounded(amount: Decimal, currency: str) -> Decimal:
    """`amount` rounded half-up to the currency's decimals: 61.335 USD is 61.34."""
    return _HALF_UP.quantize(amount, _STEPS[exponent(currency)])


def to_charge_minor(amount: Decimal, currency: str) -> int:
    """`amount` rounded half-up once to the charge step, in minor units: 20.987 KWD is 20990."""
    steps = _HALF_UP.quantize(EXACT.scaleb(amount, charge_places(currency)), _ONE)
    return int(steps) * _step_minor(currency)


def to_charge_steps(amount: Decimal, currency: str) -> int:
    """`amount` rounded half-up once to whole charge steps: 20.987 KWD is 2099."""
    return to_charge_minor(amount, currency) // _step_minor(currency)


def from_charge_steps(steps: int, currency: str) -> Decimal:
    """Whole charge steps as an amount with the currency's decimals: 2099 KWD is 20.990."""
    return from_minor(steps * _step_minor(currency), currency)


def from_minor(minor: int, currency: str) -> Decimal:
    """Whole minor units as an amount with the currency's decimals: 6134 USD is 61.34."""
    return EXACT.scaleb(Decimal(minor), -exponent(currency))


def allocate(exact: Sequence[Decimal], currency: str) -> list[int]:
    """Minor units for each exact amount, adding up to the exact sum rounded once to be charged.

    The largest-remainder (Hamilton) method in the currency's charge steps: every part gets its
    floor, and what is then missing goes, a step each, to the largest fractions, the earlier part
    first on a tie. No part moves a whole step away from its exact amount, except that rounding the
    sum up may need it when all fractions are used up, which cannot happen for a sum rounded to the
    nearest step.
    """
    step = _step_minor(currency)
    with localcontext(EXACT):
        scaled = [amount.scaleb(charge_places(currency)) for amount in exact]
        total = to_charge_minor(sum(exact, ZERO), currency) // step
    return [steps * step for steps in largest_remainder(scaled, total)]


def apportion(exact: Sequence[Decimal], total: Decimal, currency: str) -> list[int]:
    """Minor units for each exact amount, adding up to `total`, which has been rounded before.

    For parts of an amount that was itself a part: `total` may differ from the sum by some units.
    """
    with localcontext(EXACT):
        scaled = [amount.scaleb(exponent(currency)) for amount in exact]
    return largest_remainder(scaled, to_minor(total, currency))


def largest_remainder(scaled: Sequence[Decimal], total: int) -> list[int]:
    """Whole numbers close to `scaled` that add up to `total`: floors, and what is then missing to
    the largest fractions, the earlier first on a tie."""
    with localcontext(EXACT):
        parts = [int(amount.to_integral_value(rounding=ROUND_FLOOR)) for amount in scaled]
        by_fraction = sorted(range(len(scaled)), key=lambda i: parts[i] - scaled[i])
    missing = total - sum(parts)
    if not parts:
        return parts
    each, rest = divmod(missing, len(parts))
    for place, index in enumerate(by_fraction):
        parts[index] += each + (place < rest)
    return parts


def _step_minor(currency: str) -> int:
    return int(10 ** (exponent(currency) - charge_places(currency)))


def without_exponent(value: Decimal) -> str:
    """Decimal text without an exponent: never `1E-7`."""
    return format(value, "f")
