"""The invoice's paper: what it says, for whom, and that nothing in a name can break it."""

import datetime as dt
import io
from decimal import Decimal

import pytest
from pypdf import PdfReader

from invoices.glyphs import has_numbers, printable
from invoices.models import Invoice
from invoices.pdf import invoice_filename, render_invoice
from tests.kit.invoices import NOVEMBER_2, SUBSCRIPTION, known_card, make_addressed_invoice
from tests.kit.papers import words_of

pytestmark = pytest.mark.django_db


def words(invoice: Invoice) -> str:
    return words_of(render_invoice(invoice))


def archivable(invoice: Invoice) -> Invoice:
    metadata = PdfReader(io.BytesIO(render_invoice(invoice))).trailer["/Root"]["/Metadata"]
    assert "<pdfaid:part>3</pdfaid:part>" in metadata.get_data().decode()
    return invoice


def test_says_who_owes_whom_what_for_which_days(settings):
    settings.ISSUER_NAME = "Voice Platform Inc."
    settings.ISSUER_TAX_ID = "US 12-3456789"

    text = words(make_addressed_invoice())

    for fact in (
        "Voice Platform Inc.",
        "Tax ID US 12-3456789",
        "Acme GmbH",
        "10827 Berlin",
        "Tax ID DE123456789",
        "INV-2026-000042",
        "2 November 2026",
        "16 November 2026",
        "1 October – 31 October 2026",
        "Monthly Subscription 1 month $49.00 $49.00",
        "Call Minutes 812.5 min $0.0112 $9.10",
        "Total USD $58.10",
        "Amount due $58.10",
        "Please pay by 16 November 2026.",
        "Page 1 of 1",
    ):
        assert fact in text


def test_is_archivable_tagged_and_has_its_fonts_inside():
    reader = PdfReader(io.BytesIO(render_invoice(make_addressed_invoice())))

    metadata = reader.trailer["/Root"]["/Metadata"].get_data().decode()
    assert "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>B<" in metadata
    assert reader.trailer["/Root"]["/MarkInfo"]["/Marked"]
    fonts = [font.get_object() for font in reader.pages[0]["/Resources"]["/Font"].values()]
    descriptors = [font["/DescendantFonts"][0]["/FontDescriptor"] for font in fonts]
    assert fonts
    assert all({"/FontFile2", "/FontFile3"} & descriptor.keys() for descriptor in descriptors)


def test_the_same_invoice_gives_the_same_bytes():
    invoice = make_addressed_invoice()

    assert render_invoice(invoice) == render_invoice(Invoice.objects.get(pk=invoice.pk))


def test_a_paid_invoice_says_so_and_asks_for_nothing():
    invoice = make_addressed_invoice(
        status="paid",
        amount_paid=Decimal("58.10"),
        paid_at=dt.datetime(2026, 11, 3, 23, 30, tzinfo=dt.UTC),
    )

    text = words(invoice)

    # Half past midnight in Berlin.
    assert "PAID" in text
    assert "Paid on 4 November 2026" in text
    assert "Amount due $0.00" in text
    assert "How to pay" not in text


def test_a_refund_is_shown():
    invoice = make_addressed_invoice(
        status="paid",
        amount_paid=Decimal("58.10"),
        paid_at=NOVEMBER_2,
        amount_refunded=Decimal("20.00"),
    )

    assert "Refunded to you $20.00" in words(invoice)


def test_an_automatic_charge_asks_nobody_to_do_anything():
    invoice = make_addressed_invoice(collection_method="charge_automatically")
    known_card(invoice.workspace)
    text = words(invoice)

    assert "charged automatically" in text
    assert "Please pay" not in text


def test_the_online_page_is_linked_when_there_is_one():
    url = "https://invoice.stripe.test/i/42"
    reader = PdfReader(io.BytesIO(render_invoice(make_addressed_invoice(hosted_invoice_url=url))))

    links = [note.get_object()["/A"]["/URI"] for note in reader.pages[0]["/Annots"]]
    assert links == [url]


def test_a_link_that_is_no_web_address_is_left_out():
    invoice = make_addressed_invoice(hosted_invoice_url="javascript:alert(1)")

    assert "View and pay online" not in words(invoice)


@pytest.mark.parametrize(
    ("currency", "amount", "exact", "shown"),
    [
        ("JPY", "7010", "7010.4999999999", "Amount due ¥7,010"),
        ("KWD", "58.100", "58.1010000000", "Amount due KWD 58.100"),
        ("EUR", "1234.50", "1234.5000000000", "Amount due €1,234.50"),
    ],
)
def test_amounts_have_the_decimals_of_their_currency(currency, amount, exact, shown):
    assert shown in words(make_addressed_invoice(currency=currency, amount=amount, exact=exact))


def test_rounding_is_shown_not_hidden():
    text = words(make_addressed_invoice(exact="58.1049512500"))

    assert "exact sum of all lines is $58.10495125" in text
    assert "left off $0.00495125" in text


def test_a_credit_is_a_negative_line_without_quantity():
    credit = ("credit", "Credit brought forward", "", "1", "-12.34", "-12.34")
    text = words(
        make_addressed_invoice([SUBSCRIPTION, credit], amount="36.66", exact="36.6600000000")
    )

    assert "Credit brought forward −$12.34" in text


def test_two_hundred_lines_go_over_pages_that_each_say_what_they_are():
    lines = [
        ("usage", f"Resource {number}", f"resource_{number}", "1", "0.50", "0.50")
        for number in range(200)
    ]
    pages = PdfReader(
        io.BytesIO(
            render_invoice(make_addressed_invoice(lines, amount="100.00", exact="100.0000000000"))
        )
    ).pages

    texts = [" ".join(page.extract_text().split()) for page in pages]
    assert len(texts) > 3
    for number, text in enumerate(texts, start=1):
        assert f"Page {number} of {len(texts)}" in text
        assert "INV-2026-000042" in text
        # The last page may hold the totals alone.
        assert "Description Quantity Unit price Amount" in text or number == len(texts)
    assert "Resource 199 1 $0.50 $0.50" in " ".join(texts)
    assert "Total USD $100.00" in texts[-1]


@pytest.mark.parametrize(
    "name",
    ["#panic() *bold* $x$ <tag> `raw` \\ @ref // none", '"]} + read("/etc/passwd")'],
)
def test_a_name_is_text_never_markup(name):
    assert name.replace(" ", "") in words(make_addressed_invoice(bill_to_name=name)).replace(
        " ", ""
    )


@pytest.mark.parametrize(
    "name",
    [
        "株式会社サンプル音声",
        "Объединённые Телефоны",
        "한국전화주식회사",
        "简体中文电话",
        "ქართული კომპანია",
        "Հայկական ընկերություն",
        "የኢትዮጵያ ድርጅት",
    ],
)
def test_names_outside_latin_are_written_with_real_glyphs(name):
    assert name in words(archivable(make_addressed_invoice(bill_to_name=name)))


@pytest.mark.parametrize(
    "name",
    [
        "شركة الخليج",
        "טלפון",
        "टेलीफोन",
        "বাংলা কোম্পানি",
        "ਪੰਜਾਬੀ ਕੰਪਨੀ",
        "ગુજરાતી કંપની",
        "தமிழ் நிறுவனம்",
        "తెలుగు సంస్థ",
        "ಕನ್ನಡ ಕಂಪನಿ",
        "മലയാളം കമ്പനി",
        "සිංහල සමාගම",
        "โทรศัพท์",
        "ບໍລິສັດລາວ",
        "ក្រុមហ៊ុនខ្មែរ",
        "မြန်မာကုမ္ပဏီ",
        "Acme 🚀 👩\u200d🚀 ❤️ 🇩🇪 👍🏽 Rockets",
    ],
)
def test_names_in_scripts_that_are_shaped_are_archivable_too(name):
    assert not has_numbers(printable(name))
    assert "Unicode number" not in words(archivable(make_addressed_invoice(bill_to_name=name)))


@pytest.mark.parametrize(
    "facts",
    [{"bill_to_name": "Acme \U00013000 Nile"}, {"order_number": "Acme \U00013000 Nile"}],
)
def test_a_character_that_no_font_has_is_printed_as_its_number(facts):
    text = words(archivable(make_addressed_invoice(**facts)))

    assert "Acme [U+13000] Nile" in text
    assert "is printed as its Unicode number" in text


def test_every_character_of_every_script_keeps_the_invoice_archivable():
    """A character of each block of a thousand and more, alone and in pairs, as names may come."""
    every = [chr(code) for code in range(0x20, 0x1FB00, 37)]
    name = "".join(character for character in every if character.isprintable())

    archivable(make_addressed_invoice(bill_to_name="Acme", bill_to_address=name))


def test_what_cannot_be_set_is_said_and_never_fails_an_invoice(monkeypatch, caplog):
    monkeypatch.setattr("invoices.document_parts.printable", lambda text: text)

    text = words(make_addressed_invoice(bill_to_name="Acme \U00013000 Nile"))

    assert "This copy is not archivable (PDF/A)" in text
    assert "INV-2026-000042 is not PDF/A" in caplog.text


@pytest.mark.parametrize(
    "invisible",
    ["\u200b", "\ufeff", "\u202e", "\u2066", "\u00ad"],
)
def test_what_hides_or_turns_text_around_is_not_printed(invisible):
    assert "Acme GmbH" in words(make_addressed_invoice(bill_to_name=f"Ac{invisible}me GmbH"))


def test_a_copied_address_is_the_address():
    street = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengasse-12"
    email = "accounts-payable-department-of-acme@billing.long-domain-name.example"
    invoice = make_addressed_invoice(bill_to_address=street, bill_to_email=email)

    text = words(invoice)

    assert "\u200b" not in text
    # Broken over lines where it is longer than the column, and nothing is put in between.
    assert street not in text
    assert street in text.replace(" ", "")
    assert email in text.replace(" ", "")


def test_its_file_is_called_after_its_number():
    assert invoice_filename(make_addressed_invoice()) == "INV-2026-000042.pdf"
