"""Who may look at and act for a workspace: its members, of whom one at least owns it."""

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from billing.errors import Conflict, Invalid
from billing.models import User, Workspace, WorkspaceMember
from billing.text import UnfitText, email_address, same_address


class LastOwner(Conflict):
    code = "last_owner"


def known_address(field: str, text: str) -> str:
    """An e-mail address as it is kept; raises `Invalid` for `field`."""
    try:
        return email_address(text)
    except UnfitText as error:
        raise Invalid(str(error), field=field, code="invalid_email") from None


def set_member(
    *, workspace: Workspace, email: str, role: str | None = None
) -> tuple[WorkspaceMember, bool]:
    """Make the person behind `email`, known or new, a member in that role; whether they are new.

    Without a role a member keeps theirs, and a new one may look only. Raises `LastOwner` where a
    workspace would be left without an owner.
    """
    address = known_address("email", email)
    known = same_address(address)
    user = User.objects.filter(email__iexact=known).first()
    if user is None:
        try:
            with transaction.atomic():
                user = User.objects.create_user(address)
        except IntegrityError:
            # Made a moment ago by another request.
            user = User.objects.get(email__iexact=known)
    with transaction.atomic():
        # One change of members at a time: two owners do not remove each other.
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace.pk)
        member, created = WorkspaceMember.objects.get_or_create(
            workspace=workspace,
            user=user,
            defaults={"role": role or WorkspaceMember.Role.VIEWER},
        )
        if role is not None and member.role != role:
            _keep_an_owner(member)
            member.role = role
            member.save(update_fields=["role"])
    return member, created


def remove_member(*, member: WorkspaceMember) -> None:
    """Take someone's access to the workspace away; raises `LastOwner` for the only owner."""
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=member.workspace_id)
        _keep_an_owner(member)
        WorkspaceMember.objects.filter(pk=member.pk).delete()


def _keep_an_owner(member: WorkspaceMember) -> None:
    owners = WorkspaceMember.objects.filter(
        workspace_id=member.workspace_id, role=WorkspaceMember.Role.OWNER
    )
    if member.role == WorkspaceMember.Role.OWNER and owners.count() == 1:
        raise LastOwner(_("A workspace keeps at least one owner: name another one first."))
