"""Attention items for finance: what needs a person, counted, with a link to each list."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse

from analytics.finance.attention_rows import (
    Moment,
    chargebacks_to_answer,
    months_to_confirm,
    open_disputes,
)
from invoices.queries import expiring_cards

SHOWN = 8


@dataclass(frozen=True)
class AttentionItem:
    one: str
    many: str
    count: int
    url: str
    tone: str

    @property
    def title(self) -> str:
        return self.one if self.count == 1 else self.many


Source = Callable[[Moment], Iterable[AttentionItem]]
# Whoever knows of something that needs a person adds a function here (`needs_a_person`).
_SOURCES: list[Source] = []


def needs_a_person(source: Source) -> Source:
    """Register `source`: it gives items as of a moment, in the order in which they are shown."""
    _SOURCES.append(source)
    return source


def attention_items(moment: Moment) -> list[AttentionItem]:
    """Each kind of trouble with how often it is there; those that are not are left out."""
    return [item for source in _SOURCES for item in source(moment) if item.count]


def _list(model: str, query: str = "") -> str:
    return reverse(f"admin:{model}_changelist") + query


@needs_a_person
def _chargebacks(moment: Moment) -> Iterator[AttentionItem]:
    count = moment.counts["chargebacks to answer"]
    first = chargebacks_to_answer().first() if count else None
    if first is not None:
        until = f"{first.due_by.day} {first.due_by:%B}" if first.due_by else "soon"
        yield AttentionItem(
            f"chargeback to answer by {until}",
            f"chargebacks to answer, the first by {until}",
            count,
            _list("payments_chargeback"),
            "bad",
        )
    yield AttentionItem(
        "lost chargeback to decide on",
        "lost chargebacks to decide on",
        moment.counts["chargebacks to decide"],
        _list("payments_chargeback", "?status__exact=lost"),
        "warn",
    )


@needs_a_person
def _open_disputes(moment: Moment) -> Iterator[AttentionItem]:
    count = moment.counts["disputes"]
    first = open_disputes().first() if count else None
    if first is None:
        return
    days = (moment.now - first.opened_at).days
    age = f"{days} day{'s' if days > 1 else ''} ago" if days else "today"
    yield AttentionItem(
        f"dispute of a call, opened {age}",
        f"disputes of calls, the oldest opened {age}",
        count,
        f"{reverse('admin:payments_calldispute_changelist')}?state__exact=open",
        "warn" if days < 7 else "bad",
    )


@needs_a_person
def _month_end(moment: Moment) -> Iterator[AttentionItem]:
    yield AttentionItem(
        "close failed",
        "closes failed",
        moment.counts["closes failed"],
        _list("billing_billingperiod", "?stage=blocked"),
        "bad",
    )
    yield AttentionItem(
        "period due to close",
        "periods due to close",
        moment.due,
        _list("billing_billingperiod", "?stage=ended"),
        "info",
    )


@needs_a_person
def _months(moment: Moment) -> Iterator[AttentionItem]:
    if not (count := moment.counts["months"]):
        return
    page = reverse("finance:month_records")
    if count == 1 and (record := months_to_confirm().first()) is not None:
        page = reverse("finance:month_record", args=[record.pk])
    yield AttentionItem(
        "signed-off month waits for a second person",
        "signed-off months wait for a second person",
        count,
        page,
        "warn",
    )


@needs_a_person
def _approvals(moment: Moment) -> Iterator[AttentionItem]:
    if settings.CLOSE_NEEDS_APPROVAL:
        count, again = moment.counts["trials"], moment.counts["trials changed"]
        trial = reverse("finance:trial")
        yield AttentionItem(
            "month changed since it was approved",
            "months changed since they were approved",
            again,
            trial,
            "bad",
        )
        yield AttentionItem(
            "month waits to be approved", "months wait to be approved", count - again, trial, "warn"
        )
    yield AttentionItem(
        "line by hand waits for a second person",
        "lines by hand wait for a second person",
        moment.counts["lines"],
        _list("billing_manualitem", "?status__exact=waiting"),
        "warn",
    )
    yield AttentionItem(
        "void of a credit note waits for a second person",
        "voids of credit notes wait for a second person",
        moment.counts["voids of notes"],
        _list("invoices_creditnote", "?awaited__isnull=False"),
        "warn",
    )
    yield AttentionItem(
        "decision on a lost chargeback waits for a second person",
        "decisions on lost chargebacks wait for a second person",
        moment.counts["ends of chargebacks"],
        _list("payments_chargeback", "?awaited__isnull=False"),
        "warn",
    )
    yield AttentionItem(
        "credit note waits to be approved",
        "credit notes wait to be approved",
        moment.counts["notes"],
        _list("invoices_creditnote", "?status__exact=draft"),
        "warn",
    )


@needs_a_person
def _blocked_work(moment: Moment) -> Iterator[AttentionItem]:
    yield AttentionItem(
        "piece of work blocked",
        "pieces of work blocked",
        moment.blocked,
        reverse("finance:waiting_work"),
        "bad",
    )


@needs_a_person
def _invoices(moment: Moment) -> Iterator[AttentionItem]:
    yield AttentionItem(
        "invoice overdue",
        "invoices overdue",
        moment.counts["overdue"],
        _list("invoices_invoice", "?status__exact=overdue"),
        "warn",
    )
    yield AttentionItem(
        "void invoice to decide on",
        "void invoices to decide on",
        moment.counts["undecided"],
        _list("invoices_invoice", "?status__exact=void&undecided=yes"),
        "bad",
    )
    yield AttentionItem(
        "difference from Stripe",
        "differences from Stripe",
        moment.counts["differences"],
        _list("payments_difference", "?resolved_at__isempty=1"),
        "bad",
    )


@needs_a_person
def _customers(moment: Moment) -> Iterator[AttentionItem]:
    yield AttentionItem(
        "customer suspended",
        "customers suspended",
        moment.counts["suspended"],
        _list("billing_workspace", "?status__exact=suspended"),
        "warn",
    )
    yield AttentionItem(
        "customer at the usage limit",
        "customers at their usage limit",
        moment.counts["at limit"],
        _list("billing_limitalert", "?kind__exact=limit"),
        "warn",
    )


@needs_a_person
def _cards(moment: Moment) -> Iterator[AttentionItem]:
    count = moment.counts["cards"]
    cards = expiring_cards(now=moment.now).select_related("workspace")
    first = cards.first() if count else None
    if first is None:
        return
    name = first.workspace.name
    yield AttentionItem(
        f"card expires within 30 days, or has: that of {name}",
        f"cards expire within 30 days, or have, first that of {name}",
        count,
        reverse("finance:customer", args=[first.workspace_id]),
        "warn",
    )


@needs_a_person
def _margins(moment: Moment) -> Iterator[AttentionItem]:
    page = reverse("finance:costs")
    yield AttentionItem(
        "kind of usage sold below its least margin this week",
        "kinds of usage sold below their least margin this week",
        moment.counts["sold low"],
        page,
        "warn",
    )
    yield AttentionItem(
        "cost that differs from the cost card this week",
        "costs that differ from the cost card this week",
        moment.counts["drifted"],
        page,
        "warn",
    )
