"""The folded migration stands for dj-stripe's own: nothing more, nothing less, nothing newer."""

import pkgutil
from importlib import import_module

import djstripe.migrations
import pytest
from django.db.migrations.operations import AlterField, CreateModel
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import CharField

import config.djstripe_migrations
from config.djstripe_migrations._folding import fold

FOLDED = import_module("config.djstripe_migrations.0001_squashed_0003_2_11").Migration


def their_migrations() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(djstripe.migrations.__path__))


def state_after(operations: list[Operation]) -> ProjectState:
    state = ProjectState()
    for operation in operations:
        operation.state_forwards("djstripe", state)
    return state


def test_every_migration_of_the_installed_dj_stripe_is_carried() -> None:
    carried = {name for app, name in FOLDED.replaces}
    carried |= {module.name for module in pkgutil.iter_modules(config.djstripe_migrations.__path__)}
    assert set(their_migrations()) <= carried


def test_the_folded_migration_leaves_the_same_models_with_columns_in_the_same_order() -> None:
    theirs = [
        operation
        for name in their_migrations()
        for operation in import_module(f"djstripe.migrations.{name}").Migration.operations
    ]
    expected, folded = state_after(theirs), state_after(FOLDED.operations)
    assert len(FOLDED.operations) < 80 < len(theirs)
    assert folded.models.keys() == expected.models.keys()
    for key, model in expected.models.items():
        assert folded.models[key] == model, key
        assert list(folded.models[key].fields) == list(model.fields), key


def test_an_operation_that_cannot_be_folded_is_refused() -> None:
    table = CreateModel("Card", fields=[("brand", CharField(max_length=8))])
    with pytest.raises(ValueError, match="cannot fold <AlterField"):
        fold([table, AlterField("card", "brand", CharField(max_length=16))])
