"""Taxes, discounts, credit notes and refunds that other billing systems' own tests expect.

All but `by_policy` are ours, exactly; those are billed otherwise on purpose, and docs/pricing.md
has each under its name.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from billing.money import allocate, from_minor
from billing.rating.charges import ChargeScope, DiscountTerms
from billing.rating.discounts import take_off
from billing.rating.tax_amounts import Taxed, TaxRateInForce, apply, tax_of
from billing.rating.taxes import Decision, Registration, Treatment
from invoices.credited import BilledLine, Group, credit_lines, credit_total, left_of_lines, share

CASES: dict[str, list[dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "documents_elsewhere.json").read_text()
)
PRICING = (Path(__file__).parents[2] / "docs" / "pricing.md").read_text()
DECISION = Decision(Treatment.TAXED, Registration("1", "DE", "", "DE1"), "DE", "", "")


def taxed(nets: list[str], percent: str, currency: str, *, inclusive: bool = False) -> Taxed:
    return apply(
        DECISION,
        [(Decimal(net), "") for net in nets],
        rate_of=lambda *_: TaxRateInForce("r", Decimal(percent), "VAT"),
        currency=currency,
        prices_include_tax=inclusive,
    )


def notes_of(case: dict[str, Any]) -> list[dict[str, int]]:
    """What each note of an invoice comes to, one after the other, in minor units.

    Where prices include it the invoice's tax is what they had in them.
    """
    rate = ("S", Decimal(case["rate"]))
    lines = [BilledLine(place, net, 0, rate) for place, net in enumerate(case["nets"])]
    if "discount" in case:
        lines.append(BilledLine("discount", -case["discount"], 0, rate))
    net = sum(line.net for line in lines)
    tax = tax_of(from_minor(net, "EUR"), rate[1], "EUR")
    left = Group(net, case.get("tax", int(tax * 100)))
    made = []
    for asked in case["notes"]:
        if "total" in asked:
            credited = credit_total(asked["total"], lines, {rate: left})
        else:
            wanted = {asked.get("item", 0): asked["net"]}
            credited = credit_lines(wanted, lines, {rate: left})
        lines = [
            line._replace(credited=line.credited + credited.items.get(line.id, 0)) for line in lines
        ]
        left = Group(left.net - credited.net, left.tax - credited.tax)
        made.append({"net": credited.net, "tax": credited.tax, "total": credited.total})
    assert sum(left_of_lines(lines).values()) == left.net
    return made


@pytest.mark.parametrize("case", CASES["tax"], ids=str)
def test_tax_on_top_of_prices(case: dict[str, Any]) -> None:
    made = taxed(case["nets"], case["percent"], case["currency"])
    assert str(made.tax) == case["tax"]
    assert made.gross == made.net + made.tax


@pytest.mark.parametrize("case", CASES["several_rates"], ids=str)
def test_each_rate_is_rounded_and_then_added(case: dict[str, Any]) -> None:
    taxes = [tax_of(Decimal(case["base"]), Decimal(rate), "USD") for rate in case["percents"]]
    assert [str(tax) for tax in taxes] == case["taxes"]
    assert str(sum(taxes)) == case["tax"]


@pytest.mark.parametrize("case", CASES["tax_within"], ids=str)
def test_tax_within_prices(case: dict[str, Any]) -> None:
    made = taxed([case["gross"]], case["percent"], "USD", inclusive=True)
    assert (str(made.net), str(made.tax)) == (case["net"], case["tax"])


@pytest.mark.parametrize("case", CASES["discount"], ids=str)
def test_what_a_discount_takes_off_and_leaves(case: dict[str, Any]) -> None:
    currency, price = case["currency"], Decimal(case["price"])
    percentage, amount = case.get("percent_off"), case.get("amount_off")
    terms = DiscountTerms(
        "d",
        "Coupon",
        Decimal(percentage) if percentage else None,
        Decimal(amount) if amount else None,
        ChargeScope.USAGE_AND_FEES,
    )
    (charge,) = take_off([terms], usage=Decimal(0), fees=price).charges
    of_price, of_discount = allocate([price, charge.amount], currency)
    assert str(from_minor(-of_discount, currency)) == case["discount"]
    assert str(from_minor(of_price + of_discount, currency)) == case["final"]


@pytest.mark.parametrize("case", CASES["discount_shared"], ids=str)
def test_lines_share_a_discount_by_largest_remainder(case: dict[str, Any]) -> None:
    assert list(share(case["off"], dict(enumerate(case["of"]))).values()) == case["shares"]


@pytest.mark.parametrize("case", [*CASES["credit_notes"], *CASES["money_back"]], ids=str)
def test_what_is_given_back_of_net_and_tax(case: dict[str, Any]) -> None:
    made = notes_of(case)
    assert [(note["net"], note["tax"]) for note in made] == [
        (note["net"], note["tax"]) for note in case["notes"]
    ]


@pytest.mark.parametrize("case", CASES["by_policy"], ids=lambda case: str(case["policy"]))
def test_it_is_billed_otherwise_here(case: dict[str, Any]) -> None:
    if "notes" in case:
        theirs, ours = case["total"], notes_of(case)[-1]["total"]
    elif "rates" in case:
        bases = {rate: str(round(Decimal(base) / 100, 2)) for rate, base in case["rates"].items()}
        taxes = [taxed([base], rate, "EUR").tax for rate, base in bases.items()]
        theirs, ours = case["tax"], int(sum(taxes) * 100)
    else:
        theirs = case["tax"]
        ours = str(taxed([case["base"]], case["percent"], case["currency"]).tax)
    assert ours == case["ours"] != theirs
    assert case["policy"] in PRICING
