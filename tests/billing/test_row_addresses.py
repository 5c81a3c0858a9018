"""Addresses of rows, worked out once for a view (`billing.row_addresses`)."""

from uuid import uuid4

from django.urls import reverse, set_script_prefix

from billing.row_addresses import row_address

VIEW = "admin:invoices_invoice_pdf"


def test_an_address_is_what_reverse_would_make_of_it() -> None:
    for key in (uuid4(), uuid4()):
        assert row_address(VIEW, key) == reverse(VIEW, args=[key])


def test_below_a_prefix_it_has_the_prefix() -> None:
    key = uuid4()
    row_address(VIEW, key)
    set_script_prefix("/below/")
    try:
        assert row_address(VIEW, key) == reverse(VIEW, args=[key])
        assert row_address(VIEW, key).startswith("/below/admin/")
    finally:
        set_script_prefix("/")
