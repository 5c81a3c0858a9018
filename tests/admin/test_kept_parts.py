"""Parts of lists that are kept for their address (`billing.admin.kept`)."""

import pytest
from django.test import Client
from django.urls import reverse

from billing.admin import kept
from tests.kit.invoices import make_invoice
from tests.kit.personas import make_workspace
from tests.kit.staff import finance_client

pytestmark = pytest.mark.django_db

INVOICES = reverse("admin:invoices_invoice_changelist")


def shown(client: Client, **asked: str) -> str:
    return " ".join(client.get(INVOICES, asked).content.decode().split())


def test_filters_and_heads_are_those_of_the_address() -> None:
    make_invoice(make_workspace("Acme"), status="paid")
    client = finance_client()

    plain, paid = shown(client), shown(client, status__exact="paid")
    by_amount = shown(client, o="4")

    chosen = 'href="?status__exact=paid" title="Paid"'
    assert chosen in plain
    assert chosen in paid
    assert 'name="status__exact" value="paid"' in paid
    assert 'name="status__exact" value="paid"' not in plain
    assert "sorted ascending" in by_amount
    assert "sorted ascending" not in plain


def test_a_filter_that_names_a_row_is_made_anew() -> None:
    acme = make_workspace("Acme")
    make_invoice(acme)
    client = finance_client()
    assert _chosen(shown(client, workspace__id__exact=str(acme.pk))) == "Acme"

    acme.name = "Acme Labs"
    acme.save()

    assert _chosen(shown(client, workspace__id__exact=str(acme.pk))) == "Acme Labs"


def _chosen(page: str) -> str:
    """The workspace that the filters are set to."""
    _, _, filters = page.partition('id="changelist-filter"')
    return filters.partition(" selected>")[2].partition("<")[0].strip()


def test_no_more_is_kept_than_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "_kept", {})
    monkeypatch.setattr(kept, "_MOST", 2)

    assert [kept.kept(key, lambda key=key: key.upper()) for key in "abcab"] == list("ABCAB")
    assert len(kept._kept) <= 2
