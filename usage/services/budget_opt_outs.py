"""Who is told of budgets without an account, and wants no more of it: by a link in each mail.

The link is signed and names workspace and address; whoever has it may turn these mails off and on
again, and nothing else.
"""

import datetime as dt
from collections.abc import Collection
from typing import NamedTuple
from uuid import UUID

from django.core import signing
from django.db.models import QuerySet

from billing.errors import NotFound
from billing.links import page_url
from billing.models import Workspace
from usage.models import BudgetOptOut

_SALT = "budget mails"


class Reader(NamedTuple):
    workspace: Workspace
    email: str


def unsubscribe_url(workspace_id: UUID, email: str) -> str:
    """For as long as there is the workspace: mails are kept for years."""
    token = signing.dumps([workspace_id.hex, email.lower()], salt=_SALT, compress=True)
    return page_url("usage:unsubscribe", token)


def reader_of(token: str) -> Reader:
    """Raises `NotFound`."""
    try:
        workspace_id, email = signing.loads(token, salt=_SALT)
    except signing.BadSignature:
        raise NotFound("There is no such link.") from None
    workspace = Workspace.objects.filter(pk=UUID(workspace_id)).first()
    if workspace is None:
        raise NotFound("There is no such workspace.")
    return Reader(workspace, email)


def opt_out(reader: Reader, *, now: dt.datetime) -> None:
    """Again, it changes nothing."""
    BudgetOptOut.objects.get_or_create(
        workspace=reader.workspace, email=reader.email, defaults={"created_at": now}
    )


def opt_in(reader: Reader) -> None:
    opt_outs(reader.workspace.pk, [reader.email]).delete()


def opt_outs(workspace_id: UUID, emails: Collection[str]) -> QuerySet[BudgetOptOut]:
    """Of these addresses those that want no mails."""
    return BudgetOptOut.objects.filter(
        workspace=workspace_id, email__in=[email.lower() for email in emails]
    )
