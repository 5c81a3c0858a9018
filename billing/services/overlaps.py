"""What may hold once a day at most, and what the database refuses of it, as a sentence."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError, transaction
from psycopg.errors import ExclusionViolation

from billing.errors import Conflict


class Overlaps(Conflict):
    code = "overlaps"


@contextmanager
def no_overlap(detail: str, *, field: str = "starts_on") -> Iterator[None]:
    """Raise `Overlaps` where an exclusion constraint refuses what is written in the block."""
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:
        if not isinstance(error.__cause__, ExclusionViolation):
            raise
        raise Overlaps(detail, field=field) from error
