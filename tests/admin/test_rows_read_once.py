"""Pages of rows that are read once, asked for by what is no key, or nobody's."""

import pytest

from tests.kit.staff import superuser_client

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("list_of", ["invoices/invoice", "billing/billingperiod"])
@pytest.mark.parametrize(
    ("key", "status"),
    [("1", 404), ("words", 404), ("%00", 400), ("00000000-0000-4000-8000-000000000000", 302)],
)
def test_a_page_of_no_row_says_so(list_of, key, status):
    answer = superuser_client().get(f"/admin/{list_of}/{key}/change/")

    assert answer.status_code == status
