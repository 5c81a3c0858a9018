"""Actions on several rows of a list: a page says first what each row meets, then they are done.

What it says is worked out in a transaction that is taken back, row after row, so that a service
that only writes to the database can be carried out to see what comes of it. What is confirmed is
what was shown: where a row would meet something else by then, the page is shown again.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial, wraps
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.db import transaction
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.safestring import SafeString

from billing.admin.base import BillingAdmin
from billing.admin.dialogs import ConfirmForm, DialogForm
from billing.admin.lists import Amount
from billing.errors import BillingError
from billing.formats import money
from billing.links import admin_page
from billing.models import DurableWork

# So many are looked through in a moment, and read by a person.
MAX_ROWS = 100
# More outcomes than these are counted instead of told one by one.
_TOLD = 5


class Outlook(NamedTuple):
    """What a row meets, and the money in it."""

    text: str
    amount: SafeString | None = None


@dataclass(frozen=True)
class BulkLine:
    """A row of the page; `about` says what is done, or why it stays as it is."""

    key: str
    name: str
    url: str
    workspace: str
    about: str
    amount: SafeString | None
    is_done: bool


@dataclass(frozen=True)
class BulkPreview:
    """The page: its rows, those that are done first."""

    title: str
    text: str
    submit: str
    lines: Sequence[BulkLine]
    form: DialogForm
    # What the page sends back besides the form's own fields.
    hidden: Sequence[tuple[str, str]] = field(default=())

    @property
    def done(self) -> list[BulkLine]:
        return [line for line in self.lines if line.is_done]

    @property
    def left(self) -> list[BulkLine]:
        return [line for line in self.lines if not line.is_done]

    @property
    def sums(self) -> list[str]:
        """Of the rows that are done, by currency."""
        totals: dict[str, Decimal] = {}
        for line in self.done:
            if isinstance(line.amount, Amount):
                found = totals.get(line.amount.currency, Decimal(0))
                totals[line.amount.currency] = found + line.amount.number
        return [money(total, currency) for currency, total in sorted(totals.items())]

    @property
    def seen(self) -> str:
        """Names what the page says, so that nothing else is confirmed."""
        told = "\n".join(f"{line.key} {line.is_done} {line.about}" for line in self.lines)
        return hashlib.sha256(told.encode()).hexdigest()


def bulk(
    description: str,
    *,
    title: str,
    text: str,
    submit: str,
    will: Callable[..., Outlook] | None = None,
    money_of: Callable[[Any], SafeString | None] = lambda row: None,
    permission: str = "act",
    form_class: type[DialogForm] = ConfirmForm,
) -> Callable[[Callable[..., str]], Any]:
    """An action on chosen rows of a list, carried out row by row once its page is confirmed.

    What it decorates is called with (request, row, asked), `asked` being what the page's form
    asked for; it calls one service and returns what to say. `will`, called with (request, row),
    says beforehand what comes of it, or raises the `BillingError` that leaves the row as it is;
    without one the service is carried out and taken back, about the money `money_of` the row.
    """

    def decorate(service: Callable[..., str]) -> Any:
        @admin.action(description=description, permissions=[permission])
        @wraps(service)
        def act(
            self: BillingAdmin, request: HttpRequest, queryset: QuerySet[Any]
        ) -> HttpResponse | None:
            rows = list(queryset[: MAX_ROWS + 1])

            def outlook(row: Model) -> Outlook:
                if will is not None:
                    return will(self, request, row)
                return Outlook(service(self, request, row, {}), money_of(row))

            def carry_out(row: Model, asked: dict[str, Any]) -> str:
                return service(self, request, row, asked)

            return previewed(
                request,
                rows,
                outlook=outlook,
                carry_out=carry_out,
                done_by=self.attempt,
                title=title,
                text=text,
                submit=submit,
                form_class=form_class,
                hidden=[("action", service.__name__)],
                box=ACTION_CHECKBOX_NAME,
            )

        return act

    return decorate


def previewed(
    request: HttpRequest,
    rows: Sequence[Any],
    *,
    outlook: Callable[[Any], Outlook],
    carry_out: Callable[[Any, dict[str, Any]], str],
    done_by: Callable[..., bool],
    title: str,
    text: str,
    submit: str,
    box: str,
    form_class: type[DialogForm] = ConfirmForm,
    hidden: Iterable[tuple[str, str]] = (),
    key_of: Callable[[Any], str] = lambda row: str(row.pk),
) -> HttpResponse | None:
    """The page that says what each row meets; None once that is confirmed and done.

    `done_by(request, row, service, quiet=...)` carries one row out and tells of its failure. `box`
    is the field that names the rows, `hidden` what else names the action.
    """
    if len(rows) > MAX_ROWS:
        messages.error(request, f"At most {MAX_ROWS} at once: nothing was done. Choose fewer.")
        return None
    if not rows:
        messages.error(request, "None of the rows is in this list any more. Nothing was done.")
        return None
    told = request.POST.get("seen")
    form = form_class(data=request.POST if told else None, request=request, object_id=None)
    by_key = {key_of(row): row for row in rows}
    preview = BulkPreview(
        title,
        text,
        submit,
        _lines(by_key, outlook),
        form,
        [*hidden, *((box, key) for key in by_key)],
    )
    if told and form.is_valid():
        if told == preview.seen:
            chosen = [by_key[line.key] for line in preview.done]
            _do(request, chosen, partial(_asked, carry_out, form.cleaned_data), done_by)
            return None
        messages.warning(request, "Meanwhile something else would come of it. Look again.")
    context = {**admin.site.each_context(request), "title": title, "preview": preview}
    return render(request, "admin/bulk.html", context)


def _asked(
    carry_out: Callable[[Any, dict[str, Any]], str], asked: dict[str, Any], row: Any
) -> Callable[[], str]:
    return lambda: carry_out(row, asked)


def _lines(rows: dict[str, Any], outlook: Callable[[Any], Outlook]) -> list[BulkLine]:
    lines = []
    with transaction.atomic():
        for key, row in rows.items():
            # As it was, whatever becomes of the object.
            name, url, workspace = _named(row)
            try:
                with transaction.atomic():
                    found, is_done = outlook(row), True
            except BillingError as refusal:
                found, is_done = Outlook(refusal.detail), False
            lines.append(BulkLine(key, name, url, workspace, found.text, found.amount, is_done))
        transaction.set_rollback(True)
    return sorted(lines, key=lambda line: not line.is_done)


def _named(row: Any) -> tuple[str, str, str]:
    """What it is called, its page, and whose it is."""
    if isinstance(row, DurableWork):
        name, about, workspace = row.about()
        return name, admin_page(about) if about else "", str(workspace or "")
    return str(row), admin_page(row), str(getattr(row, "workspace", None) or "")


def _do(
    request: HttpRequest,
    rows: Sequence[Any],
    service_of: Callable[[Any], Callable[[], str]],
    done_by: Callable[..., bool],
) -> None:
    counted = len(rows) > _TOLD
    done = sum(done_by(request, row, service_of(row), quiet=counted) for row in rows)
    if counted and done:
        messages.success(request, f"{done} of {len(rows)} are done.")
