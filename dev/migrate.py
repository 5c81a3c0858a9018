"""`migrate` in a third of its time, for the databases of tests and demos: `python -m dev.migrate`.

Each step makes the models of before anew, all that are related to its own, with each of their
fields taken apart and built again. `deepcopy` is how Django copies fields from abstract models; the
tables that this leads to are the same, byte by byte. Nothing that is made here is garbage for long
enough to be worth looking for.
"""

import gc
from copy import deepcopy

import django
from django.core.management import call_command
from django.db.models import Field


def migrate(*, verbosity: int = 0) -> None:
    """Bring the default database up to date."""
    clone = Field.clone
    Field.clone = deepcopy  # type: ignore[method-assign,assignment]
    gc.disable()
    try:
        call_command("migrate", interactive=False, verbosity=verbosity)
    finally:
        Field.clone = clone  # type: ignore[method-assign]
        gc.enable()


if __name__ == "__main__":
    django.setup()
    migrate()
