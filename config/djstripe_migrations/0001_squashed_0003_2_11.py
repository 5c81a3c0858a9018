from importlib import import_module

from django.db import migrations

from config.djstripe_migrations._at_once import TablesAtOnce

_NAMES = ["0001_initial", "0002_2_10", "0003_2_11"]
_THEIRS = [import_module(f"djstripe.migrations.{name}").Migration for name in _NAMES]


class Migration(migrations.Migration):
    """dj-stripe 2.11's schema; a database that has its own three counts this one as applied."""

    initial = True
    replaces = [("djstripe", name) for name in _NAMES]
    dependencies = _THEIRS[0].dependencies
    operations = [TablesAtOnce([operation for one in _THEIRS for operation in one.operations])]
