"""Life of an invitation: sent, accepted once, sent again or taken back by an owner."""

import datetime as dt
import hmac
import logging
from smtplib import SMTPException
from uuid import UUID

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.db import transaction
from django.db.models import QuerySet
from django.template.loader import render_to_string
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from billing.errors import Conflict, Invalid, NotFound
from billing.formats import word
from billing.issuers import issuer_of
from billing.languages import in_language
from billing.links import page_url
from billing.models import Invitation, User, Workspace, WorkspaceMember
from billing.queue import enqueue
from billing.services.members import set_member
from billing.text import UnfitText, email_address, same_address

log = logging.getLogger(__name__)
LASTS = dt.timedelta(days=7)
# A mail that could not be sent is tried again so much later, for as long as the link is good.
TRY_AGAIN_AFTER = dt.timedelta(minutes=10)
# A person is not flooded, and an owner's account that was taken is no tool for it.
MAX_OPEN = 50
_MAX_SENT = 10


class LinkIsDead(NotFound):
    code = "link_is_dead"


class IsMemberAlready(Conflict):
    code = "is_member_already"


class NotTheInvited(Conflict):
    code = "not_the_invited"


def invite(
    *, workspace_id: UUID, email: str, role: str, invited_by: User | None, now: dt.datetime
) -> Invitation:
    """Invite an address; one that is invited already gets the role and a new link."""
    try:
        address = same_address(email_address(email))
    except UnfitText as error:
        raise Invalid(str(error), field="email", code="invalid_email") from None
    if role not in WorkspaceMember.Role.values:
        raise Invalid("There is no such role.", field="role")
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        members = WorkspaceMember.objects.filter(workspace_id=workspace_id)
        if members.filter(user__email__iexact=address).exists():
            raise IsMemberAlready(
                _("{email} is a member already.").format(email=address), field="email"
            )
        open_ones = open_invitations(workspace_id)
        invitation = open_ones.filter(email=address).first()
        if invitation is not None:
            _refuse_flood(invitation)
            invitation.role, invitation.invited_by = role, invited_by
            return _sent_anew(invitation, now)
        if open_ones.count() >= MAX_OPEN:
            raise Invalid(
                _("At most {most} invitations are open at a time.").format(most=MAX_OPEN),
                field="email",
            )
        invitation = Invitation.objects.create(
            workspace_id=workspace_id,
            email=address,
            role=role,
            invited_by=invited_by,
            created_at=now,
            expires_at=now + LASTS,
            mail_due_at=now,
        )
        transaction.on_commit(_start_mailing)
        return invitation


def open_invitations(workspace_id: UUID) -> QuerySet[Invitation]:
    """Neither accepted nor taken back; some may be too old."""
    return Invitation.objects.filter(workspace_id=workspace_id, accepted_at=None, cancelled_at=None)


def send_again(*, workspace_id: UUID, invitation_id: UUID, now: dt.datetime) -> Invitation:
    """With a new link, and the time it is good for from the beginning."""
    with transaction.atomic():
        invitation = _locked(workspace_id, invitation_id)
        _refuse_flood(invitation)
        return _sent_anew(invitation, now)


def cancel(*, workspace_id: UUID, invitation_id: UUID, now: dt.datetime) -> Invitation:
    with transaction.atomic():
        invitation = _locked(workspace_id, invitation_id)
        invitation.cancelled_at, invitation.mail_due_at = now, None
        invitation.save(update_fields=["cancelled_at", "mail_due_at"])
        return invitation


def find_open(*, invitation_id: UUID, token: str, now: dt.datetime) -> Invitation:
    """The invitation behind a link; raises `LinkIsDead`."""
    return _opened(Invitation.objects.select_related("workspace"), invitation_id, token, now)


def accept(
    *, invitation_id: UUID, token: str, user: User | None, password: str = "", now: dt.datetime
) -> WorkspaceMember:
    """Make who was invited a member, once.

    `user` is who is signed in, and has to be the invited one. Without one, a new account is made
    with `password`; one that has a password already has to sign in.
    """
    with transaction.atomic():
        # The workspace before its invitation, as `invite` does: else two could wait for each other.
        workspaces = Workspace.objects.select_for_update(no_key=True, of=("self",))
        workspaces.filter(invitations=invitation_id).first()
        invitation = _opened(Invitation.objects.select_for_update(), invitation_id, token, now)
        if user is not None and same_address(user.email) != invitation.email:
            raise NotTheInvited(f"This invitation is for {invitation.email}.")
        known = User.objects.filter(email__iexact=invitation.email).first()
        if user is None and known is not None and known.has_usable_password():
            raise NotTheInvited("Sign in to accept it.")
        member, _created = set_member(
            workspace=Workspace(pk=invitation.workspace_id),
            email=invitation.email,
            role=invitation.role if known is None or not _is_member(invitation, known) else None,
        )
        if user is None:
            member.user.set_password(password)
            member.user.save(update_fields=["password"])
        invitation.accepted_at, invitation.mail_due_at = now, None
        invitation.save(update_fields=["accepted_at", "mail_due_at"])
        return member


def mail_due(*, now: dt.datetime) -> int:
    """Mail what waits; how many. Kept nowhere, for the link opens a workspace.

    Each is claimed first, so that two workers do not send it at once; one that a worker was killed
    over is sent again: at least once.
    """
    due = Invitation.objects.filter(
        mail_due_at__lte=now, expires_at__gt=now, accepted_at=None, cancelled_at=None
    )
    sent = 0
    for invitation in due.select_related("workspace", "invited_by")[:100]:
        claim = due.filter(pk=invitation.pk, mail_due_at=invitation.mail_due_at)
        if not claim.update(mail_due_at=now + TRY_AGAIN_AFTER):
            continue
        try:
            _mail(invitation)
        except (OSError, SMTPException) as error:
            log.warning("an invitation was not mailed, it will be tried again: %s", error)
            continue
        Invitation.objects.filter(pk=invitation.pk, generation=invitation.generation).update(
            mail_due_at=None
        )
        sent += 1
    return sent


def link_of(invitation: Invitation) -> str:
    return page_url("billing:invitation", invitation.pk, _token(invitation, settings.SECRET_KEY))


def _token(invitation: Invitation, key: str) -> str:
    facts = f"{invitation.pk}:{invitation.email}:{invitation.generation}"
    return salted_hmac("billing.invitation", facts, secret=key, algorithm="sha256").hexdigest()


def _is_token_of(invitation: Invitation, token: str) -> bool:
    """Also one that was made with a key that has been replaced since."""
    return any(
        hmac.compare_digest(_token(invitation, key).encode(), token.encode())
        for key in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    )


def _opened(
    rows: QuerySet[Invitation], invitation_id: UUID, token: str, now: dt.datetime
) -> Invitation:
    found = rows.filter(
        pk=invitation_id, accepted_at=None, cancelled_at=None, expires_at__gt=now
    ).first()
    if found is None or not _is_token_of(found, token):
        raise LinkIsDead("This invitation has been used, was taken back or is too old.")
    return found


def _is_member(invitation: Invitation, user: User) -> bool:
    return WorkspaceMember.objects.filter(workspace_id=invitation.workspace_id, user=user).exists()


def _locked(workspace_id: UUID, invitation_id: UUID) -> Invitation:
    open_one = open_invitations(workspace_id).select_for_update(of=("self",))
    invitation = open_one.filter(pk=invitation_id).first()
    if invitation is None:
        raise NotFound(_("There is no such invitation any more."))
    return invitation


def _refuse_flood(invitation: Invitation) -> None:
    if invitation.generation >= _MAX_SENT:
        raise Invalid(
            _("{email} was invited {times} times: take it back, or ask them.").format(
                email=invitation.email, times=_MAX_SENT
            ),
            field="email",
        )


def _sent_anew(invitation: Invitation, now: dt.datetime) -> Invitation:
    invitation.generation += 1
    invitation.expires_at, invitation.mail_due_at = now + LASTS, now
    invitation.save()
    transaction.on_commit(_start_mailing)
    return invitation


def _start_mailing() -> None:
    enqueue("billing.mail_invitations")


def _mail(invitation: Invitation) -> None:
    known = User.objects.filter(email__iexact=invitation.email).values_list("language", flat=True)
    with in_language(known.first() or invitation.workspace.language):
        message = _message(invitation)
    message.send()


def _message(invitation: Invitation) -> EmailMultiAlternatives:
    workspace = invitation.workspace
    context = {
        "site_url": settings.SITE_URL,
        "issuer": issuer_of(workspace.issuing_entity).name,
        "workspace": workspace.name,
        "by": invitation.invited_by.email if invitation.invited_by else "",
        "role": word(invitation.get_role_display()),
        "days": LASTS.days,
        "link": link_of(invitation),
    }
    message = EmailMultiAlternatives(
        subject=_("You are invited to the billing of {workspace}").format(workspace=workspace.name),
        body=render_to_string("emails/invitation.txt", context),
        to=[invitation.email],
    )
    message.attach_alternative(render_to_string("emails/invitation.html", context), "text/html")
    return message
