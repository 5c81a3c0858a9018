"""Opening and leaving a look at a workspace as its owner has it."""

import datetime as dt
from uuid import UUID

from billing.errors import Invalid, NotFound
from billing.models import OwnerView, User, Workspace

LASTS = dt.timedelta(minutes=30)
MAY_OPEN = "billing.open_ownerview"
_REASON = 500


def open_owner_view(*, workspace_id: UUID, by: User, reason: str, now: dt.datetime) -> OwnerView:
    """Begin a look that ends by itself. Its row is the trace that owners see."""
    if not Workspace.objects.filter(pk=workspace_id).exists():
        raise NotFound("There is no such workspace.")
    why = reason.strip()
    if not why or len(why) > _REASON:
        raise Invalid(f"Say why, in at most {_REASON} characters.", field="reason")
    return OwnerView.objects.create(
        workspace_id=workspace_id,
        seen_by=by.email,
        reason=why,
        started_at=now,
        ends_at=now + LASTS,
    )


def leave_owner_view(*, view_id: UUID, by: User, now: dt.datetime) -> None:
    """End one's own look; one that has ended stays as it was."""
    OwnerView.objects.filter(pk=view_id, seen_by=by.email, left_at=None, ends_at__gt=now).update(
        left_at=now
    )


def owner_view_of(
    *, view_id: UUID, workspace_id: UUID, by: User, now: dt.datetime
) -> OwnerView | None:
    """The look at this workspace that this person has open, with all that every page shows of it;
    None where there is none, it has ended, or the right to it was taken away."""
    if not _may_open(by):
        return None
    return (
        OwnerView.objects.filter(
            pk=view_id, workspace_id=workspace_id, seen_by=by.email, left_at=None, ends_at__gt=now
        )
        .select_related("workspace__tier", "workspace__billing_settings")
        .first()
    )


def has_run_out(*, view_id: UUID, workspace_id: UUID, by: User, now: dt.datetime) -> bool:
    """Whether it was this person's, who still has the right to one, and ended by itself."""
    own = OwnerView.objects.filter(pk=view_id, workspace_id=workspace_id, seen_by=by.email)
    return _may_open(by) and own.filter(left_at=None, ends_at__lte=now).exists()


def _may_open(person: User) -> bool:
    return person.is_active and person.is_staff and person.has_perm(MAY_OPEN)
