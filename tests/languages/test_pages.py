"""The owner's pages in each language: nothing of the English texts is left on any of them."""

import html
import re
from functools import cache
from typing import Any
from zoneinfo import available_timezones

import pytest
from django.test import Client
from django.urls import reverse

from billing.models import User, Workspace
from dev.catalogues import LANGUAGES, read
from invoices.payments.models import CallDispute
from tests.kit.invoices import issue_invoice
from tests.kit.personas import NOW, make_member, make_period, make_workspace, signed_in_client
from tests.kit.usage import make_call, make_usage

pytestmark = pytest.mark.django_db

PAGES = (
    "analytics:dashboard", "analytics:spend", "analytics:compare", "usage:records", "usage:calls",
    "usage:agents", "invoices:list", "invoices:upcoming", "payments:statement",
    "billing:settings", "billing:people", "billing:keys", "billing:changes",
)  # fmt: skip


def english_left(page: str, language: str) -> list[str]:
    """Known English texts that stand by themselves between tags of a page."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.S)
    shown = {html.unescape(run).strip() for run in re.sub(r"<[^>]*>", "\n", body).splitlines()}
    return sorted(shown & english_texts(language))


@cache
def english_texts(language: str) -> frozenset[str]:
    """Those that are said otherwise in the language, and stand for nothing else in it."""
    known = {
        message.id: message.string
        for message in read(language)
        if isinstance(message.id, str) and message.id and message.id != message.string
    }
    same = {text for text in known.values() if isinstance(text, str)} | available_timezones()
    return frozenset(known) - same


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_page_is_half_english(language):
    acme = make_workspace(usage_limit_monthly="100")
    owner = make_member(acme)
    User.objects.filter(pk=owner.pk).update(language=language)
    invoice = issue_invoice(make_period(acme), status="open")
    client = signed_in_client(User.objects.get(pk=owner.pk))

    left = {}
    addresses = [reverse(name, args=[acme.pk]) for name in PAGES]
    own = [reverse(name) for name in ("billing:account", "billing:enrol", "billing:workspaces")]
    for address in [*addresses, *own, reverse("invoices:detail", args=[acme.pk, invoice.pk])]:
        response = client.get(address, follow=True)
        assert response.status_code == 200, address
        page = response.content.decode()
        assert f'<html lang="{language}">' in page
        if found := english_left(page, language):
            left[address] = found
    assert left == {}


def test_days_months_and_numbers_of_answers_are_in_the_language(time_machine: Any):
    time_machine.move_to(NOW)
    acme = make_workspace("Acme")
    owner = make_member(acme)
    User.objects.filter(pk=owner.pk).update(language="de")
    call = make_call(acme, NOW)
    make_usage(acme, NOW, "1500", "1", call_id=call)
    CallDispute.objects.create(
        workspace=acme, call_id=call, reason="dropped", text="Knacken", state="refused",
        currency="USD", price=1, opened_by="owner", decided_by="fay", decided_at=NOW,
        decision="Nein",
    )  # fmt: skip
    client = signed_in_client(User.objects.get(pk=owner.pk))

    def page(name: str, *args: object, **query: str) -> str:
        answer = client.get(reverse(name, args=[acme.pk, *args]), query).content.decode()
        assert english_left(answer, "de") == []
        return answer

    year = {"day_from": f"{NOW:%Y}-01-01", "day_to": f"{NOW:%Y-%m-%d}"}
    spend = page("analytics:spend", **year)
    assert "Ausgaben nach Monat" in spend
    assert "1.800,00" in spend
    assert "(neu)" in spend
    assert "Oktober 2026 ·" in page("analytics:spend", days="last_month")
    receipt = page("usage:receipt", call, back=reverse("usage:records", args=[acme.pk]))
    assert ">Nutzung</a>" in receipt
    assert "Abgebrochen" in receipt
    assert "Abgelehnt" in receipt


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


@pytest.fixture
def german(client: Client) -> Client:
    """Acme's only owner, who reads German."""
    owner = make_member(make_workspace())
    User.objects.filter(pk=owner.pk).update(language="de")
    return signed_in_client(User.objects.get(pk=owner.pk))


@pytest.mark.parametrize(
    ("page", "sent", "said"),
    [
        (
            "settings",
            {"form": "e-invoices", "e_invoice_format": "xrechnung"},
            "Käuferreferenz: XRechnung verlangt eine.",
        ),
        (
            "settings",
            {"form": "e-invoices", "e_invoice_format": "none", "electronic_address": "a@b.test"},
            "Eine elektronische Adresse und ihr Schema gehören zusammen.",
        ),
        ("settings", {"form": "e-invoices"}, "Factur-X / ZUGFeRD: im PDF"),
        (
            "settings",
            {"form": "details", "billing_email": "billing@acme.test", "tax_id": "DE1",
             "address_country": "DE"},
            "„DE1“ kann keine Steuernummer eines Unternehmens in DE sein.",
        ),
        ("settings", {"form": "details", "billing_email": "x"}, "Das ist keine E-Mail-Adresse."),
        (
            "people",
            {"email": "owner@acme.test", "role": "viewer"},
            "owner@acme.test ist bereits Mitglied.",
        ),
    ],
)  # fmt: skip
def test_what_is_refused_or_missing_is_said_in_the_owners_language(
    german: Client, page: str, sent: dict[str, str], said: str
):
    address = reverse(f"billing:{page}", args=[Workspace.objects.get().pk])
    assert said in html.unescape(german.post(address, sent, follow=True).content.decode())


def test_the_list_of_changes_names_what_changed_in_the_owners_language(german: Client):
    acme = Workspace.objects.get()
    member = make_member(acme, role="viewer")
    change = reverse("billing:member", args=[acme.pk, acme.memberships.get(user=member).pk])
    german.post(change, {"role": "admin"})
    page = german.get(reverse("billing:changes", args=[acme.pk])).content.decode()
    assert f"Mitglied {member.email}: Rolle" in page
