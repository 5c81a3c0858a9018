"""Tax calculations, for addresses in some states of the US.

In others the account counts as not registered: nothing is collected there. The rates are near the
real ones and good for nothing but trying things out.
"""

import datetime as dt
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, NamedTuple

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import ApiError, invalid, missing
from dev.stripe_sandbox.lists import list_object
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object

_LIFETIME = dt.timedelta(days=90)
_FAR = dt.timedelta(days=31)
NONTAXABLE = "txcd_00000000"
_SOFTWARE = frozenset(["txcd_10103000", "txcd_10103001"])


class _State(NamedTuple):
    """`places` are (name, level, percent); `software` is how much of software as a service is
    taxed, in percent."""

    places: tuple[tuple[str, str, str], ...]
    first_zips: tuple[str, ...]
    software: int = 100


_STATES = {
    "TX": _State(
        (
            ("Texas", "state", "6.25"),
            ("Austin", "city", "1"),
            ("Austin Mta", "district", "1"),
        ),
        ("75", "76", "77", "78", "79", "885"),
        software=80,
    ),
    "NY": _State(
        (
            ("New York", "state", "4"),
            ("New York City", "city", "4.5"),
            ("Metropolitan Commuter Transportation District", "district", "0.375"),
        ),
        ("10", "11", "12", "13", "14"),
    ),
    "WA": _State((("Washington", "state", "6.5"), ("Seattle", "city", "3.85")), ("98", "99")),
    "PA": _State((("Pennsylvania", "state", "6"),), ("15", "16", "17", "18", "19")),
    "CA": _State(
        (("California", "state", "6"), ("Los Angeles", "county", "1.25")),
        ("90", "91", "92", "93", "94", "95", "96"),
        software=0,
    ),
}


@route("POST", "/v1/tax/calculations", "tax.CalculationCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    details = params.get("customer_details") or {}
    address = details.get("address")
    if not address:
        raise invalid(
            "Missing required param: customer_details[address].",
            param="customer_details[address]",
            code="parameter_missing",
        )
    state = _located(address)
    exempt = details.get("taxability_override") == "customer_exempt"
    when = params.get("tax_date", ctx.now)
    if abs(when - ctx.now) > _FAR.total_seconds():
        raise invalid("tax_date must be within 31 days of today.", param="tax_date")
    if not params["line_items"]:
        raise invalid("line_items must not be empty.", param="line_items")
    references = [line.get("reference") for line in params["line_items"]]
    if len(set(references)) != len(references) and None not in references:
        raise invalid("Line item references must be unique.", param="line_items")
    calculation = ctx.new(
        "tax.Calculation",
        "taxcalc",
        currency=params["currency"],
        customer_details={
            "address": {
                name: address.get(name)
                for name in ("city", "country", "line1", "line2", "postal_code", "state")
            },
            "address_source": details.get("address_source"),
            "ip_address": None,
            "tax_ids": [],
            "taxability_override": details.get("taxability_override", "none"),
        },
        expires_at=ctx.now + int(_LIFETIME.total_seconds()),
        livemode=False,
        tax_date=when,
    )
    lines = [
        _line(ctx, each, number, state=state, code=address.get("state") or "", exempt=exempt)
        for number, each in enumerate(params["line_items"])
    ]
    added = sum(line["amount_tax"] for line in lines if line["tax_behavior"] == "exclusive")
    included = sum(line["amount_tax"] for line in lines if line["tax_behavior"] == "inclusive")
    calculation |= {
        "amount_total": sum(line["amount"] for line in lines) + added,
        "tax_amount_exclusive": added,
        "tax_amount_inclusive": included,
        "tax_breakdown": [],
        "shipping_cost": None,
        "ship_from_details": None,
        "line_items": list_object(
            lines, url=f"/v1/tax/calculations/{calculation['id']}/line_items"
        ),
    }
    ctx.store.insert(calculation)
    return calculation


@route("GET", "/v1/tax/calculations/{id}", "tax.CalculationRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("tax.calculation", identifier, what="tax calculation")


def _located(address: dict[str, Any]) -> _State | None:
    """What is known of the state; None where nothing is, and nothing collected."""
    code, state = address.get("state"), _STATES.get(address.get("state") or "")
    zip_code = address.get("postal_code") or ""
    if address.get("country") != "US":
        raise ApiError(400, "The Stripe sandbox works out taxes in the US only.", saved=False)
    if not (zip_code[:5].isascii() and zip_code[:5].isdigit() and len(zip_code) >= 5) or (
        state is not None and not zip_code.startswith(state.first_zips)
    ):
        raise invalid(
            "We could not determine the customer's tax location based on the provided customer"
            f" address: {zip_code or 'no ZIP code'} is not in {code or 'a state that is named'}."
            " Please ensure the address is valid.",
            param="customer_details[address]",
            code="customer_tax_location_invalid",
        )
    return state


def _line(
    ctx: Context,
    given: dict[str, Any],
    number: int,
    *,
    state: _State | None,
    code: str,
    exempt: bool,
) -> Object:
    place = f"line_items[{number}]"
    if given["amount"] < 0:
        raise invalid("This value must be at least 0.", param=f"{place}[amount]")
    tax_code = given.get("tax_code") or "txcd_10000000"
    if not tax_code.startswith("txcd_"):
        raise missing("tax code", tax_code, param=f"{place}[tax_code]")
    behavior = given.get("tax_behavior", "exclusive")
    shares = _shares(
        given["amount"],
        tax_code,
        state,
        code=code,
        exempt=exempt,
        inclusive=behavior != "exclusive",
    )
    return ctx.new(
        "tax.CalculationLineItem",
        "tax_li",
        amount=given["amount"],
        amount_tax=sum(share["amount"] for share in shares),
        livemode=False,
        metadata=given.get("metadata"),
        product=None,
        quantity=given.get("quantity", 1),
        reference=given.get("reference") or f"L{number + 1}",
        tax_behavior=behavior,
        tax_breakdown=shares,
        tax_code=tax_code,
    )


def _shares(
    amount: int,
    tax_code: str,
    state: _State | None,
    *,
    code: str,
    exempt: bool,
    inclusive: bool,
) -> list[dict[str, Any]]:
    if state is None:
        return [_share((code or "", "state", None), 0, 0, "not_collecting", code)]
    percent = 0 if tax_code == NONTAXABLE else 100
    if tax_code in _SOFTWARE:
        percent = state.software
    if exempt or not percent:
        why = "customer_exempt" if exempt else "product_exempt"
        return [_share((*place[:2], None), 0, 0, why, code) for place in state.places]
    rate = sum((Decimal(place[2]) for place in state.places), Decimal(0)) * percent / 100
    base = _whole(Decimal(amount) * 100 / (100 + rate)) if inclusive else amount
    taxable = _whole(Decimal(base * percent) / 100)
    why = "standard_rated" if percent == 100 else "taxable_basis_reduced"
    shares = [
        _share(place, taxable, _whole(taxable * Decimal(place[2]) / 100), why, code)
        for place in state.places
    ]
    if inclusive:
        # What is left of the price is its tax, to the cent.
        shares[0]["amount"] += amount - base - sum(share["amount"] for share in shares)
    return shares


def _share(
    place: tuple[str, str, str | None], taxable: int, tax: int, why: str, code: str
) -> dict[str, Any]:
    name, level, percent = place
    return {
        "amount": tax,
        "jurisdiction": {"country": "US", "display_name": name, "level": level, "state": code},
        "sourcing": "destination",
        "tax_rate_details": {
            "display_name": "Sales and Use Tax",
            "percentage_decimal": percent,
            "tax_type": "sales_tax",
        }
        if percent
        else None,
        "taxability_reason": why,
        "taxable_amount": taxable,
    }


def _whole(amount: Decimal) -> int:
    return int(amount.quantize(Decimal(1), rounding=ROUND_HALF_UP))
