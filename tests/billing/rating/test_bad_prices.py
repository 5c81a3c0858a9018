"""Bad prices are refused with every place that is wrong."""

from decimal import Decimal

import pytest

from billing.rating import InvalidPrice, read_price

UNIT = {"model": "per_unit", "unit_price": "1"}


def tiers(*tiers):
    return {"model": "graduated", "tiers": list(tiers)}


def tier(up_to, unit_price="1", **more):
    return {"up_to": up_to, "unit_price": unit_price, **more}


@pytest.mark.parametrize(
    ("price", "faults"),
    [
        ("0.12", [("", "invalid_type")]),
        ([], [("", "invalid_type")]),
        ({}, [("/model", "required")]),
        ({"model": "percentage"}, [("/model", "unknown_model")]),
        ({"model": ["per_unit"]}, [("/model", "unknown_model")]),
        ({"model": "per_unit"}, [("/unit_price", "required")]),
        ({"model": "per_unit", "unit_price": None}, [("/unit_price", "null")]),
        ({"model": "per_unit", "unit_price": "-0.01"}, [("/unit_price", "negative")]),
        ({"model": "per_unit", "unit_price": "1" * 41}, [("/unit_price", "too_large")]),
        (
            {"model": "per_unit", "unit_price": f"0.{'1' * 41}"},
            [("/unit_price", "too_many_decimals")],
        ),
        ({"model": "per_unit", "unit_price": True}, [("/unit_price", "invalid_decimal")]),
        ({"model": "per_unit", "unit_price": "NaN"}, [("/unit_price", "invalid_decimal")]),
        ({"model": "per_unit", "unit_price": "1e999999"}, [("/unit_price", "too_large")]),
        ({"model": "per_unit", "unit_price": {}}, [("/unit_price", "invalid_decimal")]),
        ({**UNIT, "tiers": []}, [("/tiers", "unknown_field")]),
        ({**UNIT, "incl/ud~ed": "1"}, [("/incl~1ud~0ed", "unknown_field")]),
        ({**UNIT, "included": "0.0000001"}, [("/included", "too_many_decimals")]),
        ({**UNIT, "increment": "30/6"}, [("/increment", "invalid_type")]),
        ({**UNIT, "increment": {}}, [("/increment/step", "required")]),
        ({**UNIT, "increment": {"first": "1", "step": "0"}}, [("/increment/step", "too_small")]),
        (
            {**UNIT, "increment": {"first": "-1", "step": "1", "last": "1"}},
            [("/increment/last", "unknown_field"), ("/increment/first", "negative")],
        ),
        (
            {**UNIT, "min_amount": "2", "max_amount": "1"},
            [("/max_amount", "below_minimum")],
        ),
        (
            {"model": "cost_plus", "markup_percentage": "1000"},
            [("/markup_percentage", "too_large")],
        ),
        (
            {"model": "package", "size": "0", "price": "-1"},
            [("/size", "too_small"), ("/price", "negative")],
        ),
        ({"model": "volume"}, [("/tiers", "required")]),
        ({"model": "volume", "tiers": {}}, [("/tiers", "invalid_type")]),
        (tiers(), [("/tiers", "no_tiers")]),
        (tiers(*[tier(None)] * 101), [("/tiers", "too_many_tiers")]),
        (tiers("1", tier(None)), [("/tiers/0", "invalid_type")]),
        (tiers(tier("5")), [("/tiers/0/up_to", "last_tier_not_open")]),
        (tiers({"unit_price": "1"}), [("/tiers/0/up_to", "required")]),
        (tiers({"up_to": None}), [("/tiers/0/unit_price", "required")]),
        # A hole, tiers that fall, tiers that overlap, one of no width, a lower end of its own.
        (tiers(tier(None), tier(None)), [("/tiers/0/up_to", "open_tier_not_last")]),
        (tiers(tier("5"), tier("3"), tier(None)), [("/tiers/1/up_to", "tiers_not_rising")]),
        (tiers(tier("5"), tier("5.0"), tier(None)), [("/tiers/1/up_to", "tiers_not_rising")]),
        (tiers(tier("0"), tier(None)), [("/tiers/0/up_to", "tiers_not_rising")]),
        (tiers(tier("-1"), tier(None)), [("/tiers/0/up_to", "negative")]),
        (tiers(tier("5"), tier(None, **{"from": "9"})), [("/tiers/1/from", "unknown_field")]),
        (
            tiers(tier("5", "-1", flat="-2"), tier(None)),
            [("/tiers/0/flat", "negative"), ("/tiers/0/unit_price", "negative")],
        ),
    ],
)
def test_a_bad_price_is_refused_where_it_is_wrong(price, faults):
    with pytest.raises(InvalidPrice) as refusal:
        read_price(price)

    found = [(fault.pointer, fault.code) for fault in refusal.value.faults]
    for fault in faults:
        assert fault in found
    assert found == faults or ("/tiers/0/up_to", "negative") in faults


def test_a_number_is_taken_by_its_text():
    assert read_price({"model": "per_unit", "unit_price": Decimal("0.1")}) == read_price(
        {"model": "per_unit", "unit_price": "0.10"}
    )
