"""Taxes that Stripe Tax works out: asked about beforehand, and read when a document is issued.

Nothing here speaks with Stripe. What a document's tax depends on is a question; its row is durable
work, which payments do (`invoices.payments.services.tax_calculations`). A document takes the answer
to its own question, to the digest, or it waits: no network call is made while it is issued.
"""

import datetime as dt
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing.models import DurableWork, Workspace
from billing.rating import sales_tax
from billing.rating.sales_tax import AnsweredLine
from billing.rating.sales_tax_questions import Address, Question, question_of
from billing.rating.tax_amounts import Taxed
from billing.rating.taxes import Decision, Undecided
from billing.services.work import WorkKind
from billing.stripe_accounts import AccountName
from invoices.models import TaxCalculation

CALCULATIONS = WorkKind(
    TaxCalculation,
    task="payments.calculate_tax",
    first_wait=dt.timedelta(seconds=8),
    longest_wait=dt.timedelta(hours=1),
    may_be_given_up=True,
)
# Stripe forgets a calculation after 90 days; what was issued by it has a copy.
KEEP = dt.timedelta(days=90)


@dataclass(frozen=True, slots=True)
class TaxQuestion:
    """A question, and whose it is; without a period it is about an invoice of its own."""

    workspace_id: UUID
    period_id: UUID | None
    question: Question


class NotCalculated(Undecided):
    """There is no answer yet to what a document's tax depends on."""

    def __init__(self, asked: TaxQuestion) -> None:
        super().__init__(
            "tax_not_calculated",
            "Stripe Tax has not answered yet what its sales tax is. It is asked by itself, which"
            " takes seconds while Stripe can be reached; Waiting work says what keeps it.",
        )
        self.asked = asked


class Calculations:
    """The answers there are for some workspaces: one query, when the first is asked for."""

    def __init__(self, workspaces: Sequence[Workspace]) -> None:
        self._workspaces = [workspace.pk for workspace in workspaces]
        self._answered: dict[tuple[UUID, str], TaxCalculation] | None = None

    def answer_to(self, workspace_id: UUID, question: Question) -> TaxCalculation | None:
        return self._read().get((workspace_id, question.digest))

    def last_like(self, workspace_id: UUID, question: Question) -> TaxCalculation | None:
        """The last answer to whom the question is about, as they are now."""
        said = question.as_json()
        like = [
            row
            for (whose, _), row in self._read().items()
            if whose == workspace_id
            and row.question.get("account") == said.get("account")
            and row.question["address"] == said["address"]
            and row.question["is_exempt"] == said["is_exempt"]
        ]
        return like[-1] if like else None

    def _read(self) -> dict[tuple[UUID, str], TaxCalculation]:
        if self._answered is None:
            rows = TaxCalculation.objects.filter(
                workspace__in=self._workspaces, answered_at__isnull=False
            ).order_by("answered_at")
            self._answered = {(row.workspace_id, row.digest): row for row in rows}
        return self._answered


@dataclass(frozen=True, slots=True)
class Calculated:
    """The tax of a document as it was answered, with what shows it; or, of a document that is not
    issued, by the last rates: then `asked` is what has to be answered first."""

    taxed: Taxed
    evidence: dict[str, Any]
    asked: TaxQuestion | None = None


def calculated_tax(
    calculations: Calculations,
    decision: Decision,
    workspace: Workspace,
    lines: Sequence[tuple[Decimal, str]],
    *,
    prices_include_tax: bool,
    day: dt.date,
    period_id: UUID | None,
    account: AccountName,
    is_preview: bool = False,
) -> Calculated:
    """The tax of lines of (amount, tax class). Raises `Undecided`; `NotCalculated` where there is
    no answer to go by."""
    question = question_of(
        decision,
        _address(workspace),
        lines,
        codes=settings.STRIPE_TAX_CODES,
        currency=workspace.currency,
        day=day,
        prices_include_tax=prices_include_tax,
        account=account,
    )

    def taxed(answered: Sequence[AnsweredLine]) -> Taxed:
        return sales_tax.taxed_as_answered(
            decision,
            lines,
            answered,
            currency=workspace.currency,
            prices_include_tax=prices_include_tax,
        )

    if not question.lines:
        return Calculated(taxed([]), {})
    row = calculations.answer_to(workspace.pk, question)
    if row is not None:
        assert row.answer is not None
        return Calculated(
            taxed(sales_tax.answered_lines(row.answer["lines"])), {"calculation": _evidence(row)}
        )
    asked = TaxQuestion(workspace.pk, period_id, question)
    last = calculations.last_like(workspace.pk, question) if is_preview else None
    if last is not None and last.answer is not None:
        rates = sales_tax.estimated(
            question,
            sales_tax.answered_lines(last.answer["lines"]),
            included=last.question["prices_include_tax"],
        )
        if rates is not None:
            return Calculated(taxed(rates), {}, asked)
    raise NotCalculated(asked)


def ask(asked: TaxQuestion, *, now: dt.datetime) -> None:
    """Have a question answered; again it is the same one. What else was asked for the same month
    and has no answer is asked no more: the month has become another. Invoices of their own do not
    follow one another."""
    with transaction.atomic():
        if asked.period_id is not None:
            same = TaxCalculation.objects.filter(period=asked.period_id, answered_at__isnull=True)
            same.exclude(digest=asked.question.digest).delete()
        row, is_new = TaxCalculation.objects.get_or_create(
            workspace_id=asked.workspace_id,
            digest=asked.question.digest,
            defaults={
                "period_id": asked.period_id,
                "question": asked.question.as_json(),
                "requested_at": now,
                "next_attempt_at": now,
            },
        )
        if is_new:
            CALCULATIONS.start(row.pk)
        elif row.status == DurableWork.Status.FAILED:
            CALCULATIONS.reset(row, now)


@contextmanager
def asked_if_missing(now: dt.datetime) -> Iterator[None]:
    """Outside of the transaction of the block: what it could not be issued without is asked for
    once that is rolled back."""
    try:
        yield
    except Exception as error:
        asked = getattr(error, "asked", None)
        if isinstance(asked, TaxQuestion):
            ask(asked, now=now)
        raise


def prune(*, now: dt.datetime) -> int:
    """Forget answers of long ago, and questions that nobody waits for any more; how many."""
    old = TaxCalculation.objects.filter(requested_at__lt=now - KEEP)
    return old.filter(status__in=[DurableWork.Status.DONE, DurableWork.Status.FAILED]).delete()[0]


def _address(workspace: Workspace) -> Address:
    return Address(
        workspace.address_country,
        workspace.address_state,
        workspace.address_postal_code,
        workspace.address_city,
        workspace.address_line1,
        workspace.address_line2,
    )


def _evidence(row: TaxCalculation) -> dict[str, Any]:
    """Without the address, which the invoice says itself."""
    assert row.answer is not None
    assert row.answered_at is not None
    return {
        **row.answer,
        "digest": row.digest,
        "answered_at": row.answered_at.astimezone(dt.UTC).isoformat(),
    }
