"""Opening a dispute of a call; a small one is approved by rule."""

import datetime as dt
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils.translation import gettext as _

from billing import months
from billing.errors import Conflict, Invalid, NotFound
from billing.models import Workspace
from invoices.payments.models import CallDispute
from invoices.payments.services.call_disputes import notifications
from invoices.payments.services.call_disputes.deciding import approve_dispute
from invoices.payments.services.call_disputes.facts import gather_facts, price_of, records_of
from usage.models import Call

RULE = "rule: small disputes"


class AlreadyDisputed(Conflict):
    """One dispute of a call is decided before the next."""

    code = "already_disputed"


def open_dispute(
    *,
    workspace_id: UUID,
    call_id: UUID,
    reason: str,
    text: str,
    opened_by: str,
    now: dt.datetime,
) -> tuple[CallDispute, bool]:
    """The dispute, and whether it is new: with the same words the open one is answered.

    Raises `NotFound`, `Invalid`, and `AlreadyDisputed` for an open one with other words.
    """
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).filter(pk=workspace_id).first()
        if workspace is None:
            raise NotFound(f"There is no workspace {workspace_id}.")
        text = text.strip()[:1000]
        known = CallDispute.objects.filter(
            workspace=workspace, call_id=call_id, state=CallDispute.State.OPEN
        ).first()
        if known is not None:
            if (known.reason, known.text) != (reason, text):
                raise AlreadyDisputed(_("This call is disputed already: wait for the decision."))
            return known, False
        if reason not in CallDispute.Reason.values:
            raise Invalid("There is no such reason.", field="reason")
        if not text:
            raise Invalid(_("Say what was wrong."), field="text", code="required")
        records = records_of(workspace.pk, call_id)
        if not records and not Call.objects.filter(workspace=workspace, pk=call_id).exists():
            raise NotFound(f"There is no call {call_id}.")
        price = price_of(records)
        if price <= 0:
            raise Invalid(_("This call costs nothing."), field="call_id", code="nothing_to_dispute")
        dispute = CallDispute.objects.create(
            workspace=workspace,
            call_id=call_id,
            reason=reason,
            text=text,
            currency=workspace.currency,
            price=price,
            facts=gather_facts(workspace.pk, call_id, records),
            opened_by=opened_by[:254],
            opened_at=now,
        )
        if _is_small(dispute, workspace, now):
            approve_dispute(
                dispute_id=dispute.pk,
                by=RULE,
                decision="Given back without further questions.",
                by_rule=True,
                now=now,
            )
            dispute.refresh_from_db()
        else:
            notifications.tell_finance(dispute, now=now)
        return dispute, True


def _is_small(dispute: CallDispute, workspace: Workspace, now: dt.datetime) -> bool:
    if not settings.DISPUTE_RULE_AMOUNT or dispute.price > settings.DISPUTE_RULE_AMOUNT:
        return False
    month = months.month_of(now, workspace.zone)
    approved = CallDispute.objects.filter(
        workspace=workspace, by_rule=True, decided_at__gte=month.start, decided_at__lt=month.end
    )
    return approved.count() < settings.DISPUTE_RULE_PER_MONTH
