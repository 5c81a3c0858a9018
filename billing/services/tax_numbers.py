"""Checking tax numbers with VIES: whenever one changes, and again from time to time.

The register may be down for hours. The last answer stays; a first one is waited for.
"""

import datetime as dt
import logging
from uuid import UUID

from django.conf import settings
from django.db import transaction

from billing import vies
from billing.errors import Conflict, NotFound
from billing.models import BillingPeriod, TaxNumberCheck, TaxRegistration, Workspace
from billing.queue import enqueue
from billing.rating.taxes import EU, ONE_STOP_SHOP
from billing.services import work
from billing.services.work import Claim, WorkKind
from billing.taxnumbers import vat_number

log = logging.getLogger(__name__)
Source = TaxNumberCheck.Source
Status = TaxNumberCheck.Status
CHECKS = WorkKind(
    TaxNumberCheck,
    task="billing.check_tax_number",
    first_wait=dt.timedelta(seconds=20),
    longest_wait=dt.timedelta(hours=1),
)


class NoVatNumber(Conflict):
    """The workspace has no VAT number that could be checked."""

    code = "no_vat_number"


def note_tax_number(workspace: Workspace, now: dt.datetime) -> None:
    """Have a new VAT number checked, inside the transaction that changes it.

    Nothing to do where the issuer charges no tax in the EU, or numbers are checked by form only.
    """
    number = _number_of(workspace)
    if not number:
        TaxNumberCheck.objects.filter(pk=workspace.pk).delete()
    elif _asks_vies():
        _note(workspace, number, now)


def _number_of(workspace: Workspace) -> str:
    return vat_number(workspace.tax_id, country=workspace.address_country)


def _asks_vies() -> bool:
    in_eu = TaxRegistration.objects.filter(country__in=[*EU, ONE_STOP_SHOP])
    return bool(settings.VIES_URL) and in_eu.exists()


def _note(workspace: Workspace, number: str, now: dt.datetime) -> None:
    check = TaxNumberCheck.objects.select_for_update().filter(pk=workspace.pk).first()
    if check is None:
        check = TaxNumberCheck.objects.create(
            workspace=workspace, number=number, requested_at=now, next_attempt_at=now
        )
        CHECKS.start(check.pk)
    elif check.number != number:
        _ask_anew(check, number, now)


def check_missing(*, now: dt.datetime) -> int:
    """Have numbers checked that never were, or were another one when they last were; how many.

    Those that were there before the issuer was registered in the EU, or before VIES was asked; and
    one that came in the moment of either.
    """
    if not _asks_vies():
        return 0
    checked = dict(TaxNumberCheck.objects.values_list("pk", "number"))
    with_numbers = Workspace.objects.filter(address_country__in=EU).exclude(tax_id="")
    missing = [
        workspace.pk
        for workspace in with_numbers.exclude(status=Workspace.Status.CLOSED)
        if (number := _number_of(workspace)) and checked.get(workspace.pk) != number
    ]
    for workspace_id in missing:
        with transaction.atomic():
            # It may be given another one meanwhile.
            workspace = Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
            if number := _number_of(workspace):
                _note(workspace, number, now)
    return len(missing)


def check_tax_number(*, workspace_id: UUID, now: dt.datetime) -> bool:
    """Ask VIES, if it is time to; whether there is an answer now.

    A month that waited for it is closed.
    """
    try:
        with CHECKS.claimed(workspace_id, now) as claim:
            return _check(claim)
    except (work.Busy, work.LeaseLost) as error:
        log.info("tax number of workspace %s is left for the sweep: %s", workspace_id, error)
        return False


def _check(claim: Claim[TaxNumberCheck]) -> bool:
    row = claim.row
    try:
        answer = vies.ask(row.number, requester=_requester())
    except vies.ViesUnavailable as error:
        claim.retry_later(str(error))
        return False
    with transaction.atomic():
        claim.lease.renew(claim.clock())
        # Not where the number has changed meanwhile: the answer is not about that one.
        TaxNumberCheck.objects.filter(pk=row.pk, number=row.number).update(
            valid=answer.valid,
            checked_at=claim.clock(),
            source=Source.VIES,
            reference=answer.reference,
            registered_name=answer.name,
            registered_address=answer.address,
        )
        close_what_waited(row.pk)
    claim.done()
    return True


def record_check_by_hand(
    *, workspace_id: UUID, valid: bool, reference: str, now: dt.datetime
) -> TaxNumberCheck:
    """Somebody has checked the number another way; `reference` says how. Raises `NoVatNumber`."""
    with transaction.atomic():
        workspace = Workspace.objects.select_for_update(no_key=True).filter(pk=workspace_id).first()
        if workspace is None:
            raise NotFound("There is no such workspace.")
        number = _number_of(workspace)
        if not number:
            raise NoVatNumber(f"{workspace} has no VAT number of its country.")
        check, _ = TaxNumberCheck.objects.update_or_create(
            workspace=workspace,
            defaults={
                "number": number,
                "valid": valid,
                "checked_at": now,
                "source": Source.HAND,
                "reference": reference,
                "registered_name": "",
                "registered_address": "",
                "status": Status.DONE,
                "blocked_reason": "",
                "finished_at": now,
                "attempts": 0,
                "last_error": "",
                "requested_at": now,
            },
        )
        close_what_waited(workspace_id)
        return check


def ask_again(*, workspace_id: UUID, now: dt.datetime) -> None:
    """Have the number checked anew; the last answer stays until there is another."""
    with transaction.atomic():
        check = TaxNumberCheck.objects.select_for_update().filter(pk=workspace_id).first()
        if check is None:
            raise NoVatNumber("It has no VAT number that is checked.")
        CHECKS.reset(check, now, requested_at=now)


def check_old_answers_again(*, now: dt.datetime) -> int:
    """Answers older than `TAX_NUMBER_CHECK_DAYS` are asked for anew; how many."""
    old = now - dt.timedelta(days=settings.TAX_NUMBER_CHECK_DAYS)
    with transaction.atomic():
        rows = list(
            TaxNumberCheck.objects.select_for_update(skip_locked=True)
            .filter(status=Status.DONE, checked_at__lt=old)
            .order_by("checked_at")[:500]
        )
        for row in rows:
            CHECKS.reset(row, now, requested_at=now)
    return len(rows)


def _ask_anew(check: TaxNumberCheck, number: str, now: dt.datetime) -> None:
    CHECKS.reset(
        check,
        now,
        number=number,
        valid=None,
        checked_at=None,
        source="",
        reference="",
        registered_name="",
        registered_address="",
        requested_at=now,
    )


def _requester() -> str:
    """The issuer's own VAT number, by which VIES gives the check a reference."""
    rows = TaxRegistration.objects.filter(country__in=EU, consumers_only=False)
    for row in rows.order_by("-is_home", "country"):
        number = vat_number(row.number, country=row.country)
        if number:
            return number
    return ""


def close_what_waited(workspace_id: UUID) -> None:
    """Months of a workspace that could not be closed are tried again, after the commit."""
    waits = BillingPeriod.objects.filter(
        workspace=workspace_id,
        status=BillingPeriod.Status.CURRENT,
        close_failed_at__isnull=False,
    )
    if waits.exists():
        transaction.on_commit(
            lambda: enqueue("invoices.close_workspaces", [str(workspace_id)], True)
        )
