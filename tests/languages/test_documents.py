"""Papers and mails in the customer's language, as its issuer looked when they were issued."""

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction

from billing.issuers import freeze, issuer_of
from billing.languages import in_language
from billing.logos import NotALogo, clean_logo
from billing.models import Email, IssuerBankAccount, IssuingEntity, Letterhead, User
from billing.phrases import phrase
from billing.services.workspaces import update_workspace
from invoices.event_details import event_detail
from invoices.models import Invoice, InvoiceEvent
from invoices.pdf import render_invoice
from invoices.services.closing.finalize import finalize_period
from invoices.services.mailing import mail_issued_invoice
from tests.kit.invoices import NOVEMBER_2, make_addressed_invoice
from tests.kit.papers import words_of
from tests.kit.personas import make_period, make_workspace

pytestmark = pytest.mark.django_db

SAID = {
    "de": [
        "Rechnung", "2. November 2026", "1.–31. Okt. 2026", "Deutschland", "Monatliche Grundgebühr",
        "Gesprächsminuten", "812,5 Min.", "0,0112 €", "Gesamt EUR 58,10 €",
        "Bitte zahlen Sie bis zum 16. November 2026.", "Seite 1 von 1",
    ],
    "fr": [
        "Facture", "2 novembre 2026", "1–31 oct. 2026", "Allemagne", "Abonnement mensuel",
        "812,5 min", "58,10 €", "Veuillez payer avant le 16 novembre 2026.", "Page 1 sur 1",
    ],
    "es": [
        "Factura", "2 de noviembre de 2026", "Alemania", "Cuota mensual", "58,10 €",
        "Pague antes del 16 de noviembre de 2026.", "Página 1 de 1",
    ],
    "ja": [
        "請求書", "2026年11月2日", "ドイツ", "月額基本料金", "€58.10",
        "2026年11月16日 までにお支払いください。",
    ],
}  # fmt: skip
_ENGLISH = ("Invoice", "Due", "Billing period", "Amount", "Total ", "Please", "Questions", "Page ")


def _plain(text: str) -> str:
    """Spaces of all widths as one; none between Japanese characters and digits."""
    return " ".join(text.replace("\u202f", " ").replace("\xa0", " ").replace("\u2009", "").split())


@pytest.mark.parametrize("language", SAID)
def test_an_invoice_is_in_its_language_throughout(language):
    invoice = make_addressed_invoice(currency="EUR", language=language)

    text = _plain(words_of(render_invoice(invoice)))

    squeezed = text.replace(" ", "")
    for said in SAID[language]:
        assert said in text or (language == "ja" and said.replace(" ", "") in squeezed)
    allowed = {"fr": ("Page ", "Total ")}.get(language, ("Total ",) if language == "es" else ())
    assert [word for word in _ENGLISH if word in text and word not in allowed] == []


def test_amounts_in_yen_have_no_decimals():
    invoice = make_addressed_invoice(currency="JPY", amount="58", exact="58", language="ja")

    assert "合計 JPY ￥58" in _plain(words_of(render_invoice(invoice)))


@pytest.mark.parametrize(
    ("language", "law"),
    [
        ("de", "Steuerschuldnerschaft des Leistungsempfängers"),
        ("fr", "Autoliquidation"),
        ("es", "Inversión del sujeto pasivo"),
    ],
)
def test_the_law_speaks_in_its_own_words(language, law):
    text = "Reverse charge: the customer accounts for VAT (Articles 44 and 196 of Directive"
    with in_language(language):
        assert phrase(f"{text} 2006/112/EC).").startswith(law)


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("Late usage, October 2026", "Nachgereichte Nutzung, Oktober 2026"),
        ("Included, of 1,000", "Enthalten, von 1.000"),
        ("Units above 1,000 up to 2,500.5", "Einheiten über 1.000 bis 2.500,5"),
        ("Pro, 16-30 November, 15 of 30 days", "Pro, 16.–30. Nov., 15 von 30 Tagen"),
        ("Welcome, 12.5% off usage and fees", "Welcome, 12,5 % auf Nutzung und Gebühren"),
        (
            "Usage of October 2026 that was taken back after it was billed",
            "Nutzung von Oktober 2026, die nach der Abrechnung zurückgenommen wurde",
        ),
        (
            "Minimum commitment of 1200.5 USD on usage, not used",
            "Mindestabnahme von 1.200,50\N{NO-BREAK SPACE}$ auf Nutzung, nicht ausgeschöpft",
        ),
        (
            "Minimum commitment of 200 on usage, not used",
            "Mindestabnahme von 200 auf Nutzung, nicht ausgeschöpft",
        ),
        ("Call e36c7a95: broke off", "Anruf e36c7a95: Abgebrochenes Gespräch"),
        ("Exempt from tax: § 4 Nr. 21 UStG", "Steuerfrei: § 4 Nr. 21 UStG"),
        ("A training in Berlin", "A training in Berlin"),
    ],
)
def test_descriptions_are_known_by_their_form(english, german):
    with in_language("de"):
        assert phrase(english).replace("\u2009", "") == german
    assert phrase(english) == english


@pytest.mark.parametrize(
    ("english", "german"),
    [
        ("As INV-2026-000007.", "Als INV-2026-000007."),
        ("1 day before the due date.", "1 Tag vor dem Fälligkeitstag."),
        ("3 days after the due date.", "3 Tage nach dem Fälligkeitstag."),
        (
            "€1,200.00 by Bank transfer (RF18); €212.43 is still open.",
            "1.200,00 €, Banküberweisung (RF18); 212,43 € sind noch offen.",
        ),
        ("€5.00 of €61.34 refunded in all.", "5,00 € von 61,34 € insgesamt erstattet."),
        (
            "INV-CN-2026-000001 over €20.00: Sorry for the noise",
            "INV-CN-2026-000001 über 20,00 €: Sorry for the noise",
        ),
        ("Agreed with Ms Doe", "Agreed with Ms Doe"),
    ],
)
def test_what_happened_to_an_invoice_is_known_by_its_form(english, german):
    event = InvoiceEvent(detail=english)
    with in_language("de"):
        assert _plain(event_detail(event, "EUR")) == german
    assert event_detail(event, "EUR") == english


def make_entity(code: str = "DE", **facts: object) -> IssuingEntity:
    entity = IssuingEntity.objects.create(
        code=code,
        series=code,
        name="Sprachwerk GmbH",
        address_line1="Torstr. 1",
        address_postal_code="10119",
        address_city="Berlin",
        address_country="DE",
        email="rechnung@sprachwerk.example",
        custom_fields=["Kostenstelle"],
        **facts,
    )
    IssuerBankAccount.objects.create(entity=entity, currency="USD", iban="DE89370400440532013000")
    return entity


def test_each_entity_counts_in_its_own_series_from_the_next_month_on():
    now = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
    make_entity()
    acme, globex = make_workspace("Acme"), make_workspace("Globex")
    periods = [make_period(each, at=now) for each in (acme, globex)]
    for each in (acme, globex):
        update_workspace(workspace_id=each.pk, changes={"issuing_entity": "DE"}, now=now)
    for period in periods:
        finalize_period(period_id=period.pk, now=dt.datetime(2026, 11, 3, tzinfo=dt.UTC))
    for each in (acme, globex):
        running = each.periods.get(status="current")
        finalize_period(period_id=running.pk, now=dt.datetime(2026, 12, 3, tzinfo=dt.UTC))

    numbers = list(Invoice.objects.order_by("number").values_list("number", flat=True))
    assert numbers == ["DE-2026-000001", "DE-2026-000002", "INV-2026-000001", "INV-2026-000002"]


def test_a_document_looks_as_its_issuer_did_when_it_was_issued():
    entity = make_entity(colour="#7a1f5c", footer="Sitz Berlin")
    invoice = make_addressed_invoice(
        language="de",
        issuing_entity=entity,
        letterhead=freeze(issuer_of(entity)),
        order_number="PO 7",
        custom_fields=[["Kostenstelle", "4711"]],
    )
    before = render_invoice(invoice)
    for fact in ("Sprachwerk GmbH", "DE89 3704 0044 0532 0130 00", "PO 7", "4711", "Sitz Berlin"):
        assert fact in words_of(before)

    IssuingEntity.objects.update(name="Anders GmbH", footer="", colour="#000000")
    IssuerBankAccount.objects.all().delete()
    invoice.workspace.language = "ja"
    invoice.workspace.save()

    assert render_invoice(Invoice.objects.get(pk=invoice.pk)) == before


def test_a_letterhead_is_one_row_and_never_changes():
    entity = make_entity()
    letterhead = freeze(issuer_of(entity))

    assert freeze(issuer_of(entity)).pk == letterhead.pk
    with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
        Letterhead.objects.update(facts={})


def test_a_mail_is_in_its_readers_language_else_the_workspaces():
    invoice = make_addressed_invoice(language="de")
    invoice.workspace.language = "de"
    invoice.workspace.save()
    mail_issued_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    assert Email.objects.get().subject == ("Rechnung INV-2026-000042 von Voice Platform Inc.")

    Email.objects.all().delete()
    User.objects.create_user("billing@acme.test", language="ja")
    mail_issued_invoice(invoice_id=invoice.pk, now=NOVEMBER_2)
    mail = Email.objects.get()
    assert mail.subject == "Voice Platform Inc. からの請求書 INV-2026-000042"
    assert '<html lang="ja">' in mail.html
    assert "お支払金額" in mail.text


@pytest.mark.parametrize("iban", ["DE89370400440532013001", "DE89-3704", "DE"])
def test_an_iban_that_is_none_is_refused(iban):
    entity = make_entity()
    account = IssuerBankAccount(entity=entity, currency="EUR", iban=iban)
    with pytest.raises(ValidationError) as refused:
        account.full_clean()
    assert list(refused.value.message_dict) == ["iban"]


@pytest.mark.parametrize(
    "content",
    [b"<svg onload='alert(1)'/>", b"\x89PNG\r\n\x1a\n", b"\x89PNG\r\n\x1a\n" + b"x" * 300_000],
)
def test_a_logo_that_is_no_small_whole_png_is_refused(content):
    with pytest.raises(NotALogo):
        clean_logo(content)


def test_custom_fields_are_those_of_the_issuing_entity():
    make_entity()
    acme = make_workspace()
    now = dt.datetime(2026, 10, 5, tzinfo=dt.UTC)
    with pytest.raises(Exception, match="'Farbe' is no text of a custom field"):
        update_workspace(
            workspace_id=acme.pk,
            changes={"issuing_entity": "DE", "custom_fields": {"Farbe": "rot"}},
            now=now,
        )
    changed = update_workspace(
        workspace_id=acme.pk,
        changes={"issuing_entity": "DE", "custom_fields": {"Kostenstelle": "4711"}},
        now=now,
    )
    assert changed.custom_fields == {"Kostenstelle": "4711"}
