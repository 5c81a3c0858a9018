"""Rows that are made once for a module of tests, instead of by each of them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import pytest
from django.db import transaction
from django.db.models import Model
from pytest_django import DjangoDbBlocker

RowT = TypeVar("RowT", bound=Model)


@contextmanager
def kept_for_module(blocker: DjangoDbBlocker) -> Iterator[None]:
    """What is written inside stays until the end of the block; each test still undoes its own.

    For a fixture of a module without tests that commit, since all of it is one transaction.
    """
    with blocker.unblock():
        whole = transaction.atomic()
        # As the transaction of a test is: what must not be inside of another may be.
        whole._from_testcase = True  # type: ignore[attr-defined]
        whole.__enter__()
        try:
            yield
        finally:
            transaction.set_rollback(True)
            whole.__exit__(None, None, None)


def made_once(make: Callable[[], Any]) -> Any:
    """Decorates what makes rows: a fixture of a module, of which each test takes what it needs by
    `fresh`. For modules whose tests all begin with those rows, since they see them from then on.
    """

    @pytest.fixture(scope="module")
    def made(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Any]:
        with kept_for_module(django_db_blocker):
            yield make()

    return made


def fresh(row: RowT) -> RowT:
    """The row as it was made: what another test did with its own object is not there."""
    return type(row)._default_manager.get(pk=row.pk)
