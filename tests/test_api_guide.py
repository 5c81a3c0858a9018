"""The guide for integrators names every error that the API can answer with."""

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings

from billing.errors import BillingError

GUIDE = Path(settings.BASE_DIR / "docs" / "api.md").read_text(encoding="utf-8")
MODULES = [
    "billing.api.urls",
    "usage.api.urls",
    "invoices.api.urls",
    "invoices.payments.api.urls",
    "analytics.api.urls",
]


def subclasses(of: type) -> Iterator[type]:
    for each in of.__subclasses__():
        yield each
        yield from subclasses(each)


def errors_of_the_api() -> set[str]:
    for module in MODULES:
        import_module(module)
    return {
        each.code
        for each in subclasses(BillingError)
        if re.match(r"(billing|usage)\.|invoices\.(api|services)\.", each.__module__)
    }


def codes_in_source() -> set[str]:
    """Codes given where an error is raised, not by its class."""
    root = settings.BASE_DIR
    sources = [*root.glob("billing/api/*.py"), *root.glob("usage/**/*.py")]
    sources.append(root / "billing/services/workspaces.py")
    found = set()
    for source in sources:
        text = source.read_text(encoding="utf-8")
        found |= set(re.findall(r'\bcode="([a-z_]+)"', text))
        found |= set(
            re.findall(r'(?:RecordError\(\s*index|refuse\(|NotExact\(),?\s*"([a-z_]+)"', text)
        )
    return found


@pytest.mark.parametrize("code", sorted(errors_of_the_api() | codes_in_source()))
def test_the_guide_names_the_code(code: str):
    assert f"`{code}`" in GUIDE
