"""Anchoring: heads of chains kept where nobody with the database alone can change them.

Each day the heads that moved go to a file (`SEAL_ANCHOR_FILE`), to an address by mail
(`SEAL_ANCHOR_EMAIL`), to a web server (`SEAL_ANCHOR_URL`), or to all; `verify_ledger --anchors
FILE` compares with what was kept. A chain that was cut and sealed again has other digests.
"""

import datetime as dt
import hashlib
import json
import os
from pathlib import Path

from django.conf import settings

from billing import webhooks
from billing.services.emails import Attachment, queue_email
from usage.models import SealChain
from usage.services.sealing.verify import Head


def head_line(head: Head) -> str:
    return json.dumps(
        {"workspace_id": str(head.workspace_id), "length": head.length, "digest": head.digest}
    )


def anchor_heads(*, now: dt.datetime) -> int:
    """Anchor what has moved since the last time; how many heads.

    Raises `OSError`, and what `billing.webhooks.post` does; then they are anchored the next time.
    """
    if not (settings.SEAL_ANCHOR_FILE or settings.SEAL_ANCHOR_EMAIL or settings.SEAL_ANCHOR_URL):
        return 0
    moved = [
        chain
        for chain in SealChain.objects.filter(length__gt=0).order_by("workspace_id")
        if chain.length > chain.anchored
    ]
    if not moved:
        return 0
    lines = "".join(
        head_line(Head(chain.workspace_id, chain.length, chain.head)) + "\n" for chain in moved
    )
    if settings.SEAL_ANCHOR_FILE:
        _append(Path(settings.SEAL_ANCHOR_FILE), lines)
    if settings.SEAL_ANCHOR_EMAIL:
        _mail(lines, now)
    if settings.SEAL_ANCHOR_URL:
        headers = {"Content-Type": "application/x-ndjson"}
        webhooks.post(settings.SEAL_ANCHOR_URL, lines.encode(), headers)
    for chain in moved:
        SealChain.objects.filter(pk=chain.pk).update(anchored=chain.length)
    return len(moved)


def _append(path: Path, lines: str) -> None:
    # Flushed to disk before the heads are taken for anchored; twice the same line does no harm.
    with path.open("a", encoding="utf-8") as out:
        out.write(lines)
        out.flush()
        os.fsync(out.fileno())


def _mail(lines: str, now: dt.datetime) -> None:
    digest = hashlib.sha256(lines.encode()).hexdigest()
    queue_email(
        key=f"seals-anchored:{digest}",
        kind="seals_anchored",
        recipients=[settings.SEAL_ANCHOR_EMAIL],
        subject=f"Ends of the seal chains, {now:%Y-%m-%d}",
        template="emails/seals_anchored",
        context={"count": lines.count("\n")},
        attachments=[Attachment("seal-heads.ndjson", "application/x-ndjson", lines.encode())],
        now=now,
    )
