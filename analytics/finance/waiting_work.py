"""Waiting work of every kind: what is stuck, since when and why, and what may be done about it."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.core.exceptions import PermissionDenied
from django.db.models import Case, F, Q, QuerySet, Value, When
from django.http import HttpRequest

from billing.admin.bulk import Outlook
from billing.errors import NotFound
from billing.links import admin_page
from billing.models import DurableWork, Workspace
from billing.services.work import CannotGiveUp, WorkKind, kinds

# Blocked, or tried in vain at least once; the rest only waits for its turn.
STUCK = Q(status="blocked") | Q(attempts__gt=1) | ~Q(last_error="")


@dataclass(frozen=True)
class Waiting:
    """One unfinished piece of work, as a line of the list."""

    kind: WorkKind[Any]
    row: DurableWork
    may_act: bool

    @property
    def label(self) -> str:
        return self.kind.model._meta.label_lower

    @property
    def kind_name(self) -> str:
        return str(self.kind.model._meta.verbose_name)

    @property
    def subject(self) -> str:
        return self.row.about()[0]

    @property
    def url(self) -> str:
        """Of what it is about, in the admin."""
        about = self.row.about()[1]
        return admin_page(about) if about else ""

    @property
    def workspace(self) -> Workspace | None:
        return self.row.about()[2]

    @property
    def reason(self) -> str:
        return self.row.get_blocked_reason_display() if self.row.blocked_reason else ""


def shown_kinds(request: HttpRequest) -> dict[str, WorkKind[Any]]:
    """Those that this person may see."""
    return {
        label: kind
        for label, kind in kinds().items()
        if request.user.has_perm(_permission("view", kind))
    }


def unfinished(shown: Mapping[str, WorkKind[Any]], which: Q) -> QuerySet[Any, tuple[Any, ...]]:
    """Label, key, rank and time of all that is meant: blocked first, then the longest waiting."""
    rank = Case(When(status="blocked", then=0), default=1)
    parts = [
        kind.rows.filter(DurableWork.UNFINISHED & which)
        .order_by()
        .annotate(label=Value(label), row_id=F("pk"), rank=rank)
        .values_list("label", "row_id", "rank", "requested_at")
        for label, kind in shown.items()
    ]
    return parts[0].union(*parts[1:], all=True).order_by("rank", "requested_at", "row_id")


def lines(
    request: HttpRequest, shown: Mapping[str, WorkKind[Any]], found: Sequence[tuple[Any, ...]]
) -> list[Waiting]:
    """The rows behind `found`, in its order: one query for each kind."""
    rows: dict[tuple[str, UUID], DurableWork] = {}
    for label, kind in shown.items():
        keys = [key for of, key, *_ in found if of == label]
        if keys:
            rows |= {(label, row.pk): row for row in kind.model.with_subjects().filter(pk__in=keys)}
    return [
        Waiting(kind, rows[label, key], request.user.has_perm(_permission("change", kind)))
        for label, key, *_ in found
        if (kind := shown[label]) and (label, key) in rows
    ]


def counts(shown: Mapping[str, WorkKind[Any]], which: Q) -> dict[str, int]:
    return {
        label: kind.rows.filter(DurableWork.UNFINISHED & which).count()
        for label, kind in shown.items()
    }


def kind_to_change(request: HttpRequest, label: str) -> WorkKind[Any]:
    """The kind, for who may act on it. Raises `NotFound` and `PermissionDenied`."""
    kind = kinds().get(label)
    if kind is None:
        raise NotFound("There is no such work.")
    if not request.user.has_perm(_permission("change", kind)):
        raise PermissionDenied
    return kind


TRIED = "It is tried again now."
GIVEN_UP = "It is given up: nobody tries it again."


def key_of(row: DurableWork) -> str:
    return f"{row._meta.label_lower}/{row.pk}"


def chosen(request: HttpRequest, keys: Sequence[str]) -> list[DurableWork]:
    """The unfinished rows of `keys`, in their order, of kinds that this person may act on.

    Raises `NotFound` and `PermissionDenied`.
    """
    if not any(request.user.has_perm(_permission("change", kind)) for kind in kinds().values()):
        raise PermissionDenied
    rows: dict[str, DurableWork] = {}
    for label in {key.partition("/")[0] for key in keys}:
        kind = kind_to_change(request, label)
        ids = [_id_of(key) for key in keys if key.startswith(f"{label}/")]
        found = kind.model.with_subjects().filter(DurableWork.UNFINISHED, pk__in=ids)
        rows |= {key_of(row): row for row in found}
    return [rows[key] for key in dict.fromkeys(keys) if key in rows]


def _id_of(key: str) -> UUID:
    try:
        return UUID(key.partition("/")[2])
    except ValueError:
        raise NotFound("There is no such work.") from None


def tried(row: DurableWork) -> Outlook:
    """What comes of trying `row` again; raises why it cannot be."""
    said = f"Tried {row.attempts} times" if row.attempts != 1 else "Tried once"
    told = f", last: {row.last_error}" if row.last_error else ""
    blocked = f"{row.get_blocked_reason_display()}. " if row.blocked_reason else ""
    return Outlook(f"{blocked}{said}{told}"[:600])


def given_up(row: DurableWork) -> Outlook:
    if not kinds()[row._meta.label_lower].may_be_given_up:
        raise CannotGiveUp("Work of this kind cannot be given up: mend what it waits for.")
    return tried(row)


def carry_out(row: DurableWork, asked: object, *, gives_up: bool, now: dt.datetime) -> str:
    """Raises what the kind of work raises."""
    kind = kinds()[row._meta.label_lower]
    if gives_up:
        kind.give_up(row.pk, now)
        return GIVEN_UP
    kind.try_again(row.pk, now)
    return TRIED


def _permission(verb: str, kind: WorkKind[Any]) -> str:
    options = kind.model._meta
    return f"{options.app_label}.{verb}_{options.model_name}"
