"""What usage costs: price models and their arithmetic. Pure functions on `Decimal`.

records   what is written of a record: its cost, and its price at a markup or by a price
prices    the price models and what may be added to them
reading   prices from JSON and to JSON, refused with the place that is wrong
listing   the list price that a record is written with
periods   what a period's quantity costs, in lines, and its difference to the list prices
quotes    what some records would cost, with every line of the way
"""

from billing.rating.listing import billed_quantity, list_amount, list_unit_price
from billing.rating.periods import (
    PriceLine,
    adjustment,
    depends_on_period,
    lines_since,
    net_grows_within_list,
    period_lines,
)
from billing.rating.prices import (
    CostPlus,
    Graduated,
    Increment,
    Package,
    PerUnit,
    Price,
    Tier,
    Volume,
)
from billing.rating.quotes import Part, Quote, meter_lines, quote, shared_evenly
from billing.rating.reading import Fault, InvalidPrice, price_as_json, read_price
from billing.rating.records import RecordPrice, converted, markup_factor, rate

__all__ = [
    "CostPlus",
    "Fault",
    "Graduated",
    "Increment",
    "InvalidPrice",
    "Package",
    "Part",
    "PerUnit",
    "Price",
    "PriceLine",
    "Quote",
    "RecordPrice",
    "Tier",
    "Volume",
    "adjustment",
    "billed_quantity",
    "converted",
    "depends_on_period",
    "lines_since",
    "list_amount",
    "list_unit_price",
    "markup_factor",
    "meter_lines",
    "net_grows_within_list",
    "period_lines",
    "price_as_json",
    "quote",
    "rate",
    "read_price",
    "shared_evenly",
]
