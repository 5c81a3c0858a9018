"""Requests that make the same thing at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from uuid import UUID, uuid4

import pytest
from django.db import connection

from billing.models import User, Workspace
from billing.services.workspaces import create_workspace
from tests.kit.personas import NOW

AT_ONCE = 4


def make_at_once(ids: list[UUID]) -> list[bool]:
    """Make workspaces of one owner, all at once; which of the answers were new."""
    gate = Barrier(len(ids))

    def make(workspace_id: UUID) -> bool:
        try:
            gate.wait(timeout=30)
            _, created = create_workspace(
                workspace_id=workspace_id,
                name="Acme",
                owner_email="owner@acme.test",
                tier="starter",
                currency="USD",
                timezone="Europe/Berlin",
                now=NOW,
            )
            return created
        finally:
            connection.close()

    with ThreadPoolExecutor(len(ids)) as pool:
        return list(pool.map(make, ids))


@pytest.mark.django_db(transaction=True)
def test_one_person_may_own_workspaces_made_at_the_same_moment():
    assert make_at_once([uuid4() for _ in range(AT_ONCE)]) == [True] * AT_ONCE
    assert User.objects.count() == 1
    assert Workspace.objects.filter(members=User.objects.get()).count() == AT_ONCE


@pytest.mark.django_db(transaction=True)
def test_one_workspace_made_by_many_at_once_is_new_to_one():
    assert sorted(make_at_once([uuid4()] * AT_ONCE)) == [False] * (AT_ONCE - 1) + [True]
    assert Workspace.objects.count() == 1
