"""Life of a service key: made, shown once, checked, revoked."""

import datetime as dt
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _

from billing.errors import Invalid
from billing.models import OWNER_SCOPES, SCOPES, ServiceKey, Workspace

_PREFIX_LENGTH = 12
MAX_KEYS_OF_OWNERS = 50


def create_key(
    *,
    name: str,
    scopes: Sequence[str],
    now: dt.datetime,
    workspace_id: UUID | None = None,
    expires_at: dt.datetime | None = None,
    by_owner: bool = False,
) -> tuple[ServiceKey, str]:
    """The stored key and its secret, which is kept nowhere: `vb_<prefix>_<random>`."""
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not scopes:
        raise Invalid(
            f"Scopes are {', '.join(SCOPES)}; not {', '.join(unknown) or 'none'}.",
            field="scopes",
            code="unknown_scope",
        )
    if workspace_id and not Workspace.objects.filter(pk=workspace_id).exists():
        raise Invalid(
            f"There is no workspace {workspace_id}.", field="workspace", code="unknown_workspace"
        )
    prefix = secrets.token_hex(_PREFIX_LENGTH // 2)
    secret = f"vb_{prefix}_{secrets.token_urlsafe(32)}"
    key = ServiceKey.objects.create(
        name=name,
        prefix=prefix,
        digest=_digest(secret),
        scopes=sorted(set(scopes)),
        workspace_id=workspace_id,
        expires_at=expires_at,
        by_owner=by_owner,
        created_at=now,
    )
    return key, secret


def create_owners_key(
    *,
    workspace_id: UUID,
    name: str,
    scopes: Sequence[str],
    expires_at: dt.datetime | None,
    now: dt.datetime,
) -> tuple[ServiceKey, str]:
    """A key that an owner gives to a program of theirs: it reads their workspace, nothing else."""
    beyond = [scope for scope in scopes if scope not in OWNER_SCOPES]
    if beyond:
        raise Invalid(f"Owners cannot give {', '.join(beyond)}.", field="scopes")
    if expires_at is not None and expires_at <= now:
        raise Invalid("It would have expired already.", field="expires_at")
    with transaction.atomic():
        Workspace.objects.select_for_update(no_key=True).get(pk=workspace_id)
        if usable_keys_of_owners(workspace_id, now=now).count() >= MAX_KEYS_OF_OWNERS:
            raise Invalid(
                _("A workspace has at most {most} keys: revoke one first.").format(
                    most=MAX_KEYS_OF_OWNERS
                )
            )
        return create_key(
            name=name,
            scopes=scopes,
            now=now,
            workspace_id=workspace_id,
            expires_at=expires_at,
            by_owner=True,
        )


def usable_keys_of_owners(workspace_id: UUID, *, now: dt.datetime) -> QuerySet[ServiceKey]:
    usable = ServiceKey.objects.filter(workspace_id=workspace_id, by_owner=True, revoked_at=None)
    return usable.exclude(expires_at__lte=now)


def find_key(*, secret: str, now: dt.datetime) -> ServiceKey | None:
    """The usable key behind `secret`; None when unknown, revoked or expired."""
    parts = secret.split("_", 2)
    if len(parts) != 3 or parts[0] != "vb" or not parts[1].isalnum():
        return None
    key = ServiceKey.objects.filter(prefix=parts[1]).first()
    if key is None or not hmac.compare_digest(bytes(key.digest), _digest(secret)):
        return None
    if key.revoked_at is not None or (key.expires_at is not None and key.expires_at <= now):
        return None
    return key


def revoke_key(*, key: ServiceKey, now: dt.datetime) -> None:
    ServiceKey.objects.filter(pk=key.pk, revoked_at__isnull=True).update(revoked_at=now)


def note_use(*, key: ServiceKey, now: dt.datetime) -> None:
    """Remember when the key was last used, to the minute.

    Waits for nobody: whoever holds the row is writing the same minute, or changing the key.
    """
    minute_ago = now - dt.timedelta(minutes=1)
    if key.last_used_at is not None and key.last_used_at > minute_ago:
        return
    stale = ServiceKey.objects.filter(pk=key.pk).exclude(last_used_at__gt=minute_ago)
    with transaction.atomic():
        free = stale.select_for_update(skip_locked=True, no_key=True).values("pk")
        ServiceKey.objects.filter(pk__in=free).update(last_used_at=now)


def _digest(secret: str) -> bytes:
    # A plain hash is enough: the secret has 256 random bits, so nothing can be guessed from it.
    return hashlib.sha256(secret.encode()).digest()
