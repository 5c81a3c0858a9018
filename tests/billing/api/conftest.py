import pytest
from django.core.cache import cache

from billing.api.callers import forget_counts, forget_keys


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """Counted requests and verified keys of earlier tests."""
    cache.clear()
    forget_keys()
    forget_counts()
