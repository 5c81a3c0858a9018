"""Export of a workspace's sealed records and seals, to be verified without this system."""

import json
import shutil
from pathlib import Path
from uuid import UUID

from django.db import connection

from usage import verify_export
from usage.models import PeriodSeal, SealFingerprints
from usage.services.sealing import canonical

_LINES = "SELECT line FROM ({records}) AS r ORDER BY id".format(  # noqa: S608 - constants of canonical
    records=canonical.RECORDS.format(what=f"id, {canonical.EXPORTED_LINE} AS line")
)
_ROWS_AT_A_TIME = 5_000


def export_workspace(*, workspace_id: UUID, directory: Path) -> int:
    """Write `<workspace>/seals.ndjson`, the records of each seal as `<sequence>.ndjson` and their
    fingerprints as `<sequence>.fingerprints`, and the checker beside them. How many seals."""
    folder = directory / str(workspace_id)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(verify_export.__file__, directory / "verify_export.py")
    seals = (
        PeriodSeal.objects.filter(workspace_id=workspace_id)
        .select_related("billing_period")
        .order_by("sequence")
    )
    count = 0
    with (folder / "seals.ndjson").open("w", encoding="utf-8") as out:
        for seal in seals:
            _export_records(seal, folder / f"{seal.sequence}.ndjson")
            _export_fingerprints(seal, folder / f"{seal.sequence}.fingerprints")
            line = {
                "seal": canonical.seal_text(seal).decode(),
                "digest": seal.digest,
                "key_id": seal.key_id,
                "mac": seal.mac,
            }
            out.write(json.dumps(line) + "\n")
            count += 1
    return count


def _export_records(seal: PeriodSeal, path: Path) -> None:
    # A cursor on the server: memory stays flat however many records there are.
    with (
        canonical.reading(),
        connection.connection.cursor("export") as cursor,
        path.open("w", encoding="utf-8") as out,
    ):
        cursor.itersize = _ROWS_AT_A_TIME
        cursor.execute(_LINES, canonical.values_of(seal))
        for (line,) in cursor:
            out.write(line + "\n")


def _export_fingerprints(seal: PeriodSeal, path: Path) -> None:
    with path.open("wb") as out:
        for block in SealFingerprints.objects.filter(seal=seal).order_by("position"):
            out.write(bytes(block.content))
