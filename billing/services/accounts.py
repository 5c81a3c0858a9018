"""What people say of themselves: name, language, clock, numbers, and mails they do without."""

from collections.abc import Collection, Mapping

from django.db import transaction

from billing.models import OptionalMail, User, WorkspaceMember
from billing.services.workspaces import known_timezone

_OWN = frozenset({"name", "language", "time_zone", "number_format"})


def update_account(*, user: User, changes: Mapping[str, str]) -> None:
    """Keep what a person chose of `_OWN`; "" for the language's, the workspace's or the browser's.

    Raises `Invalid` for a time zone that there is not.
    """
    assert changes.keys() <= _OWN
    if zone := changes.get("time_zone"):
        known_timezone(zone, field="time_zone")
    for name, value in changes.items():
        setattr(user, name, value)
    user.save(update_fields=list(changes))


def optional_mails_of(member: WorkspaceMember) -> list[OptionalMail]:
    """What may come to a person and is not needed: all of it to owners, and to others what a
    budget that names them tells."""
    if member.role == WorkspaceMember.Role.OWNER:
        return list(OptionalMail)
    return [OptionalMail.BUDGET]


def choose_mails(*, member: WorkspaceMember, wanted: Collection[str]) -> None:
    """Of the mails about a workspace that this person may do without, send those."""
    with transaction.atomic():
        mine = WorkspaceMember.objects.select_for_update(no_key=True).get(pk=member.pk)
        theirs = optional_mails_of(mine)
        mine.mails_off = [mail for mail in theirs if mail not in wanted]
        mine.save(update_fields=["mails_off"])
