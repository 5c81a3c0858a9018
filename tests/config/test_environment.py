"""Settings are refused by name when they cannot be meant."""

import pytest
from django.core.exceptions import ImproperlyConfigured

from config import env


@pytest.mark.parametrize("value", ["Inv", "INV 1", "INV%", "INVOICES-OF-ACME"])
def test_a_prefix_of_numbers_is_short_and_plain(monkeypatch, value):
    monkeypatch.setenv("INVOICE_ISSUER", value)
    with pytest.raises(ImproperlyConfigured, match="INVOICE_ISSUER must be 1 to 12 capital"):
        env.code("INVOICE_ISSUER", "INV", longest=12)


def test_a_prefix_that_is_not_set_is_the_default(monkeypatch):
    monkeypatch.delenv("INVOICE_ISSUER", raising=False)
    assert env.code("INVOICE_ISSUER", "INV", longest=12) == "INV"
