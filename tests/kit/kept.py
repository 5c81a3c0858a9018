"""Rows that are made once for a module of tests, instead of by each of them."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction
from pytest_django import DjangoDbBlocker


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
