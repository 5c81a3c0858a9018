"""The first changes of CONTRIBUTING.md can still be made, with the names that it gives."""

import re
from pathlib import Path

from invoices.payments.webhooks.handlers import HANDLERS
from tests.kit import personas
from usage.resources import LABELS

PAGE = (Path(__file__).resolve().parents[2] / "CONTRIBUTING.md").read_text()


def test_what_its_walks_add_is_not_there_yet() -> None:
    (resource_type,) = re.findall(r"For `(\w+)`:", PAGE)
    (event,) = re.findall(r"Say `([\w.]+)` is to be noted", PAGE)
    assert resource_type not in LABELS
    assert event not in HANDLERS


def test_makers_of_test_data_that_it_names_exist() -> None:
    named = set(re.findall(r"personas\.(\w+)", PAGE))
    assert named
    assert {name for name in named if not hasattr(personas, name)} == set()
