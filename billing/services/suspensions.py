"""Whether a workspace may take calls: suspended by staff or until it has paid, and active again."""

import datetime as dt
from uuid import UUID

from django.db import transaction

from billing.models import Workspace
from billing.signals import admission_changed

_Reason = Workspace.SuspensionReason


def set_status(
    workspace: Workspace, status: str, now: dt.datetime, *, reason: str = _Reason.MANUAL
) -> None:
    """Inside the transaction that has locked the workspace; `reason` is of a suspension."""
    workspace.status = status
    workspace.suspension_reason = reason if status == Workspace.Status.SUSPENDED else ""
    workspace.save(update_fields=["status", "suspension_reason", "updated_at"])
    admission_changed.send(Workspace, workspace_id=workspace.pk, now=now)


def suspend_for_payment(*, workspace_id: UUID, now: dt.datetime) -> bool:
    """Suspend an active workspace until it has paid; whether it changed."""
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        if workspace.status != Workspace.Status.ACTIVE:
            return False
        set_status(workspace, Workspace.Status.SUSPENDED, now, reason=_Reason.PAYMENT)
        return True


def reactivate_after_payment(*, workspace_id: UUID, now: dt.datetime) -> bool:
    """Lift a suspension for payment; one made by staff stays. Whether it changed."""
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        if workspace.suspension_reason != _Reason.PAYMENT:
            return False
        set_status(workspace, Workspace.Status.ACTIVE, now)
        return True
