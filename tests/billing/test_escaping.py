"""Escaped texts are those of Django."""

from decimal import Decimal

import pytest
from django.utils.functional import lazystr
from django.utils.html import conditional_escape, format_html
from django.utils.translation import gettext_lazy

from billing.escaping import escaped


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        '<b>"Tom\'s" & Co</b>',
        format_html("<b>{}</b>", "&"),
        lazystr("<i>"),
        gettext_lazy("Usage"),
        Decimal("1.50"),
        7,
        None,
        "",
    ],
)
def test_as_django_escapes(text: object) -> None:
    for _ in range(2):  # made, and kept
        found = escaped(text)
        assert found == conditional_escape(text)
        assert hasattr(found, "__html__")
