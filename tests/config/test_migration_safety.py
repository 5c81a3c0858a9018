"""Migrations that the release before would stumble over are refused by `make lint`."""

import pytest
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import models
from django.db.migrations import Migration, operations
from django.db.migrations.operations.base import Operation
from django.db.migrations.state import ModelState, ProjectState

from dev import migration_safety

LONG = models.CharField(max_length=20)
INDEX = models.Index(fields=["name"], name="cars_by_name")
NAMED = models.CheckConstraint(condition=~models.Q(name=""), name="cars_have_names")


def state() -> ProjectState:
    fields = [
        ("id", models.BigAutoField(primary_key=True)),
        ("name", models.CharField(max_length=10)),
        ("note", models.CharField(max_length=10, null=True)),
    ]
    before = ProjectState()
    before.add_model(ModelState("garage", "Car", fields))
    return before


def faults(*steps: Operation, **more: object) -> list[str]:
    migration = Migration("0002_next", "garage")
    migration.operations = list(steps)
    for name, value in more.items():
        setattr(migration, name, value)
    return list(migration_safety.faults(migration, state()))


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (operations.RemoveField("car", "note"), "still uses it"),
        (operations.DeleteModel("Car"), "still uses it"),
        (operations.RenameField("car", "name", "title"), "still uses it"),
        (operations.RenameModel("Car", "Vehicle"), "still uses it"),
        (operations.AlterModelTable("Car", "cars"), "still uses it"),
        (operations.AddField("car", "doors", models.IntegerField(default=4)), "without it"),
        (operations.AlterField("car", "note", models.CharField(max_length=10)), "NULL"),
        (operations.AlterField("car", "name", models.TextField()), "under lock"),
        (operations.AlterField("car", "name", models.CharField(max_length=5)), "under lock"),
        (
            operations.AlterField("car", "name", models.CharField(max_length=10, unique=True)),
            "same twice",
        ),
        (operations.AddIndex("car", INDEX), "writes wait"),
        (operations.AddConstraint("car", NAMED), "may write what it refuses"),
        (operations.RunSQL("UPDATE car SET name = ''"), "cannot be judged"),
        (operations.RunPython(operations.RunPython.noop), "cannot be judged"),
    ],
)
def test_a_step_is_refused_with_its_reason(step: Operation, why: str) -> None:
    (fault,) = faults(step)
    assert why in fault
    assert faults(step, safe_because="the table is empty until the next release") == []


@pytest.mark.parametrize(
    "step",
    [
        operations.AddField("car", "doors", models.IntegerField(null=True)),
        operations.AddField("car", "doors", models.IntegerField(db_default=4)),
        operations.AlterField("car", "name", LONG),
        operations.AlterField("car", "name", models.CharField(max_length=10, help_text="Make.")),
        AddIndexConcurrently("car", INDEX),
        operations.AlterModelOptions("car", {"ordering": ["name"]}),
    ],
)
def test_what_only_adds_is_taken(step: Operation) -> None:
    assert faults(step) == []


def test_a_table_of_the_same_migration_may_have_everything() -> None:
    made = operations.CreateModel("Van", [("id", models.BigAutoField(primary_key=True))])
    named = operations.AddField("van", "name", models.CharField(max_length=9))
    assert faults(made, named, operations.AddIndex("van", INDEX)) == []


def test_an_empty_reason_is_none() -> None:
    assert faults(operations.RemoveField("car", "note"), safe_because=" ") != []


def test_the_projects_own_migrations_are_safe() -> None:
    wrong = [
        f"{name}: {fault}"
        for name, migration, before in migration_safety.unaccepted()
        for fault in migration_safety.faults(migration, before)
    ]
    assert wrong == []
