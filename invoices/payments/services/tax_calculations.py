"""Asking Stripe Tax what a document's sales tax is, and keeping the answer.

A calculation changes nothing in Stripe, so that one too many does no harm; under its idempotency
key it is the same one for a day. The answer is held against the question before it is kept: what
does not add up, or collects nothing where we are registered, is never billed.
"""

import datetime as dt
import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.db import transaction

from billing.models import BillingPeriod, DurableWork
from billing.money import from_charge_steps, to_charge_steps
from billing.rating.sales_tax import answered_lines
from billing.rating.sales_tax_questions import Question, question_from
from billing.rating.us_states import STATES, state_code
from billing.services.notifications import notify_finance
from billing.services.tax_numbers import close_what_waited
from billing.services.work import Busy, Claim, LeaseLost
from billing.stripe_accounts import AccountName
from invoices.models import TaxCalculation
from invoices.payments.services import stripe_client
from invoices.payments.services.stripe_client import StripeObject
from invoices.payments.services.stripe_errors import StripeRefused, StripeUnavailable
from invoices.payments.services.stripe_units import from_stripe_minor, stripe_minor
from invoices.services.sales_taxes import CALCULATIONS

log = logging.getLogger(__name__)
Reason = DurableWork.Reason
PATH = "/v1/tax/calculations"
# Stripe takes days up to 31 back, counted from a clock of its own.
_OLDEST_DAY = dt.timedelta(days=30)
# Tries in vain after which finance is told that a month waits: some minutes.
_TELL_AFTER = 5
# The account has no registration there, or Stripe Tax does not know the place.
_COLLECTS_NOTHING = frozenset(["not_collecting", "not_supported"])


class Unfit(Exception):
    """An answer that cannot be billed; `reason` says how its work is blocked."""

    def __init__(self, reason: DurableWork.Reason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def calculate_tax(*, calculation_id: UUID, now: dt.datetime) -> bool:
    """Ask, if it is time to; whether there is an answer now. A month that waited for it is closed.

    Killed anywhere and run again it is the same calculation.
    """
    try:
        with CALCULATIONS.claimed(calculation_id, now) as claim:
            return _ask(claim)
    except (Busy, LeaseLost) as error:
        log.info("tax calculation %s is left for the sweep: %s", calculation_id, error)
        return False


def _ask(claim: Claim[TaxCalculation]) -> bool:
    row = claim.row
    if row.answer is None:
        question = question_from(row.question)
        try:
            made = stripe_client.post(
                AccountName(question.account),
                PATH,
                _params(question, claim.clock()),
                key=f"tax-calculation/{row.pk}/{row.key_version}",
            )
            answer = _answer(question, made)
        except StripeUnavailable as error:
            _later(claim, error)
            return False
        except StripeRefused as error:
            _block(claim, Reason.REFUSED, f"{error.detail} {_what_to_mend(error)}".strip())
            return False
        except Unfit as error:
            _block(claim, error.reason, error.detail)
            return False
        _keep(claim, answer)
    else:
        # Killed after it was kept: what waited may not have been told.
        close_what_waited(row.workspace_id)
    claim.done()
    return True


def _keep(claim: Claim[TaxCalculation], answer: dict[str, Any]) -> None:
    row = claim.row
    with transaction.atomic():
        claim.lease.renew(claim.clock())
        row.answer, row.answered_at = answer, claim.clock()
        row.calculation_id = answer["id"]
        row.save(update_fields=["answer", "answered_at", "calculation_id"])
        close_what_waited(row.workspace_id)


def _later(claim: Claim[TaxCalculation], error: StripeUnavailable) -> None:
    if error.key_spent or error.server_error:
        # It would only say the same again; a second calculation does no harm.
        _take_new_key(claim)
    claim.retry_later(error.detail, at_least=error.retry_after)
    if claim.row.attempts == _TELL_AFTER and _waits(claim.row):
        _tell_finance(claim, "cannot be asked", error.detail, "It is asked again by itself.")


def _block(claim: Claim[TaxCalculation], reason: DurableWork.Reason, detail: str) -> None:
    _take_new_key(claim)
    claim.block(reason, detail)
    _tell_finance(
        claim,
        "has no answer that could be billed",
        detail,
        "Nothing of it is invoiced until that is mended: then “Try again” under Waiting work, or"
        " change the customer's billing details, which asks anew.",
    )


def _take_new_key(claim: Claim[TaxCalculation]) -> None:
    with transaction.atomic():
        claim.lease.renew(claim.clock())
        claim.row.key_version += 1
        claim.row.save(update_fields=["key_version"])


def _waits(row: TaxCalculation) -> bool:
    """Whether somebody is kept from an invoice by it now."""
    period = row.period
    return (
        period is not None
        and period.status == BillingPeriod.Status.CURRENT
        and period.close_failed_at is not None
    )


def _tell_finance(claim: Claim[TaxCalculation], what: str, detail: str, then: str) -> None:
    row = claim.row
    about, _, workspace = row.about()
    notify_finance(
        key=f"tax-calculation:{row.pk}:{claim.clock().isoformat(timespec='seconds')}",
        subject=f"Stripe Tax {what}: {workspace}",
        paragraphs=[detail, then],
        facts=[("Workspace", str(workspace)), ("About", about)],
        about=row.period or row.workspace,
        now=claim.clock(),
    )


def _params(question: Question, now: dt.datetime) -> dict[str, Any]:
    address = question.address
    noon = dt.datetime.combine(question.day, dt.time(12), tzinfo=dt.UTC)
    given = {
        "line1": address.line1,
        "line2": address.line2,
        "city": address.city,
        "state": state_code(address.state) or address.state,
        "postal_code": address.postal_code,
        "country": address.country,
    }
    return {
        "currency": question.currency.lower(),
        "customer_details": {
            "address": {name: text for name, text in given.items() if text},
            "address_source": "billing",
            "taxability_override": "customer_exempt" if question.is_exempt else "none",
        },
        "line_items": [
            {
                "amount": stripe_minor(line.amount, question.currency),
                "reference": line.tax_class,
                "tax_behavior": "inclusive" if question.prices_include_tax else "exclusive",
                "tax_code": line.code,
            }
            for line in question.lines
        ],
        # Of an older day Stripe knows no rates any more: today's.
        **({"tax_date": int(noon.timestamp())} if now - noon < _OLDEST_DAY else {}),
        "expand": ["line_items.data.tax_breakdown"],
    }


def _answer(question: Question, made: StripeObject) -> dict[str, Any]:
    """The calculation in our words, held against what was asked. Raises `Unfit`."""
    currency = question.currency
    try:
        lines = [_line(question, line) for line in made["line_items"]["data"]]
        included = from_stripe_minor(made["tax_amount_inclusive"], currency)
        added = from_stripe_minor(made["tax_amount_exclusive"], currency)
        total = from_stripe_minor(made["amount_total"], currency)
        answer = {
            "id": str(made["id"]),
            "tax_date": dt.datetime.fromtimestamp(made["tax_date"], dt.UTC).isoformat(),
            "livemode": bool(made["livemode"]),
            "tax": f"{included + added:f}",
            "lines": lines,
        }
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise Unfit(
            Reason.MISMATCH, f"Stripe Tax's answer is not as expected: {error!r}."
        ) from error
    asked = {line.tax_class: line.amount for line in question.lines}
    if {line["tax_class"]: Decimal(line["amount"]) for line in lines} != asked:
        raise Unfit(Reason.MISMATCH, f"{answer['id']} is not about the amounts that were asked.")
    tax = sum(Decimal(line["tax"]) for line in lines)
    if tax != included + added or total != question.amount + added:
        raise Unfit(
            Reason.MISMATCH,
            f"{answer['id']} comes to {total:f} with {included + added:f} of tax, its lines to"
            f" {tax:f} of tax on {question.amount:f}.",
        )
    _refuse_odd(question, answer)
    return answer


def _line(question: Question, line: Mapping[str, Any]) -> dict[str, Any]:
    currency = question.currency
    return {
        "tax_class": line["reference"],
        "code": line["tax_code"],
        "amount": f"{from_stripe_minor(line['amount'], currency):f}",
        "tax": f"{from_stripe_minor(line['amount_tax'], currency):f}",
        "shares": [_share(each, currency) for each in line["tax_breakdown"]],
    }


def _share(each: Mapping[str, Any], currency: str) -> dict[str, str]:
    rate = each["tax_rate_details"] or {}
    return {
        "jurisdiction": each["jurisdiction"]["display_name"],
        "level": each["jurisdiction"]["level"],
        "percent": f"{Decimal(rate.get('percentage_decimal') or 0):f}",
        "taxable": f"{from_stripe_minor(each['taxable_amount'], currency):f}",
        "tax": f"{from_stripe_minor(each['amount'], currency):f}",
        "tax_type": rate.get("tax_type") or "",
        "reason": each["taxability_reason"],
    }


def _refuse_odd(question: Question, answer: Mapping[str, Any]) -> None:
    """What adds up and must not be billed all the same."""
    for line in answer["lines"]:
        tax = Decimal(line["tax"])
        shares = sum(Decimal(share["tax"]) for share in line["shares"])
        if shares != tax:
            raise Unfit(
                Reason.MISMATCH,
                f"{answer['id']} takes {tax:f} of tax, its jurisdictions {shares:f}.",
            )
        if from_charge_steps(to_charge_steps(tax, question.currency), question.currency) != tax:
            raise Unfit(Reason.MISMATCH, f"{tax:f} {question.currency} cannot be charged.")
        (rated,) = answered_lines([line])
        if tax < 0 or (tax and not rated.rate(includes_tax=question.prices_include_tax)):
            raise Unfit(Reason.MISMATCH, f"{answer['id']} takes {tax:f} of tax at no rate.")
        if question.is_exempt and tax:
            raise Unfit(Reason.MISMATCH, f"{answer['id']} taxes a customer who is exempt.")
        reasons = {share["reason"] for share in line["shares"]}
        if not question.is_exempt and not tax and reasons & _COLLECTS_NOTHING:
            place = STATES.get(state_code(question.address.state), question.address.state)
            raise Unfit(
                Reason.REFUSED,
                f"Stripe Tax collects nothing in {place}, where we are registered: add the"
                " registration in Stripe too, under Tax, Registrations.",
            )


def _what_to_mend(error: StripeRefused) -> str:
    if error.stripe_code == "customer_tax_location_invalid":
        return "Put the customer's billing address right: state, ZIP code and city."
    return ""
