import pytest
from django.core.cache import cache

from billing.api.authentication import forget_keys
from billing.api.throttles import forget_counts


@pytest.fixture(autouse=True)
def _nothing_remembered():
    """Counted requests and verified keys of earlier tests."""
    cache.clear()
    forget_keys()
    forget_counts()
