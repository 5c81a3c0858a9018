"""The owner's pages in each language: nothing of the English texts is left on any of them."""

import html
import re

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import User
from dev.catalogues import LANGUAGES, read
from tests.kit.invoices import issue_invoice
from tests.kit.personas import make_member, make_period, make_workspace, signed_in_client

pytestmark = pytest.mark.django_db

PAGES = (
    "analytics:dashboard", "usage:records", "usage:calls", "usage:agents", "invoices:list",
    "invoices:upcoming", "payments:statement", "billing:settings", "billing:people",
    "billing:keys", "billing:changes",
)  # fmt: skip


def english_left(page: str, language: str) -> list[str]:
    """Known English texts that stand by themselves between tags of a page."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    shown = {html.unescape(run).strip() for run in re.sub(r"<[^>]*>", "\n", body).splitlines()}
    known = {
        message.id: message.string
        for message in read(language)
        if isinstance(message.id, str) and message.id and message.id != message.string
    }
    same = {text for text in known.values() if isinstance(text, str)}
    return sorted(text for text in shown if text in known and text not in same)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_is_half_english(language):
    acme = make_workspace(usage_limit_monthly="100")
    owner = make_member(acme)
    User.objects.filter(pk=owner.pk).update(language=language)
    invoice = issue_invoice(make_period(acme), status="open")
    client = signed_in_client(User.objects.get(pk=owner.pk))

    left = {}
    addresses = [reverse(name, args=[acme.pk]) for name in PAGES]
    for address in [*addresses, reverse("invoices:detail", args=[acme.pk, invoice.pk])]:
        response = client.get(address, follow=True)
        assert response.status_code == 200, address
        page = response.content.decode()
        assert f'<html lang="{language}">' in page
        if found := english_left(page, language):
            left[address] = found
    assert left == {}


@pytest.mark.parametrize("asked", ["de", "ja"])
def test_signing_in_is_in_the_browsers_language(client: Client, asked: str):
    response = client.get(
        reverse("billing:login"), headers={"Accept-Language": f"{asked},en;q=0.5"}
    )

    assert response["Content-Language"] == asked
    assert "Accept-Language" in response["Vary"]
    assert english_left(response.content.decode(), asked) == []


def test_the_api_and_the_admin_speak_english(client: Client):
    answer = client.get("/api/v1/usage/", headers={"Accept-Language": "de"})
    assert answer.json()["detail"].isascii()
    page = client.get("/admin/login/", headers={"Accept-Language": "de"}, follow=True)
    assert 'lang="en' in page.content.decode()
