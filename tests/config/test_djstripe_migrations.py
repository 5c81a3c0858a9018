"""The one migration stands for dj-stripe's own: nothing more, nothing less, nothing newer."""

import pkgutil
from importlib import import_module

import djstripe.migrations
import pytest
from django.apps import apps
from django.db import connection
from django.db.migrations.operations import CreateModel, RunSQL
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ProjectState
from django.db.models import CharField

import config.djstripe_migrations
from config.djstripe_migrations._at_once import TablesAtOnce

AT_ONCE = import_module("config.djstripe_migrations.0001_squashed_0003_2_11").Migration


def their_migrations() -> list[str]:
    return sorted(module.name for module in pkgutil.iter_modules(djstripe.migrations.__path__))


def state_after(operations: list[Operation]) -> ProjectState:
    state = ProjectState()
    for operation in operations:
        operation.state_forwards("djstripe", state)
    return state


def test_every_migration_of_the_installed_dj_stripe_is_carried() -> None:
    carried = {name for app, name in AT_ONCE.replaces}
    carried |= {module.name for module in pkgutil.iter_modules(config.djstripe_migrations.__path__)}
    assert set(their_migrations()) <= carried


def test_the_one_migration_leads_to_the_same_models_with_columns_in_the_same_order() -> None:
    theirs = [
        operation
        for name in their_migrations()
        for operation in import_module(f"djstripe.migrations.{name}").Migration.operations
    ]
    expected, found = state_after(theirs), state_after(AT_ONCE.operations)
    assert len(AT_ONCE.operations) == 1
    assert found.models.keys() == expected.models.keys()
    for key, model in expected.models.items():
        assert found.models[key] == model, key
        assert list(found.models[key].fields) == list(model.fields), key


@pytest.mark.django_db
def test_each_table_has_the_columns_of_its_model() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT table_name, array_agg(column_name::text ORDER BY ordinal_position)"
            " FROM information_schema.columns"
            " WHERE table_schema = 'public' AND starts_with(table_name, 'djstripe_')"
            " GROUP BY 1"
        )
        columns = dict(cursor.fetchall())
    models = apps.get_app_config("djstripe").get_models(include_auto_created=True)
    assert {
        model._meta.db_table: {field.column for field in model._meta.local_concrete_fields}
        for model in models
    } == {table: set(names) for table, names in columns.items()}


def test_an_operation_that_does_more_than_make_tables_is_refused() -> None:
    table = CreateModel("Card", fields=[("brand", CharField(max_length=8))])
    with pytest.raises(ValueError, match=r"RunSQL.* does not only say what tables are like"):
        TablesAtOnce([table, RunSQL("SELECT 1")])
