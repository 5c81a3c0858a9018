"""Ids by how they begin: pages show the first eight characters of a call's."""

import re
from typing import NamedTuple
from uuid import UUID

from django.db.models import Q

_BEGINNING = re.compile(r"[0-9a-f]{8,32}")


class IdRange(NamedTuple):
    """Ids from one to another, both included: what an index of ids answers."""

    lowest: UUID
    highest: UUID

    def of(self, column: str) -> Q:
        return Q((f"{column}__gte", self.lowest), (f"{column}__lte", self.highest))


def ids_beginning(text: str) -> IdRange | None:
    """Those that begin so: one alone where `text` is whole. None where it is no id, nor at least
    eight characters of one."""
    digits = text.strip().lower().replace("-", "")
    if not _BEGINNING.fullmatch(digits):
        return None
    return IdRange(UUID(digits.ljust(32, "0")), UUID(digits.ljust(32, "f")))
