"""What a customer's e-invoices need, checked when it is given, and said when it is missing."""

import pytest
from django.urls import reverse
from django.utils import timezone as clock

from billing.e_invoices import is_electronic_address, is_leitweg_id, missing_details
from billing.models import Workspace
from billing.services.workspaces import update_workspace
from tests.kit.api import ApiClient, problem_of
from tests.kit.e_invoices import GERMAN_DETAILS, german_issuer
from tests.kit.personas import make_period, make_workspace, member_client
from tests.kit.staff import change_page, finance_client
from tests.kit.taxes import make_customer


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("04011000-12345-03", True),
        ("991-33333TEST-33", True),
        ("04011000-1234512345-06", True),
        ("04011000-12345-43", False),
        ("04011000-12354-03", False),
        ("2026-15", False),
        ("Cost centre 12", False),
    ],
)
def test_a_leitweg_id_has_check_digits(text: str, right: bool) -> None:
    assert is_leitweg_id(text) is right


@pytest.mark.parametrize(
    ("scheme", "address", "right"),
    [
        ("EM", "e-invoices@acme.test", True),
        ("EM", "acme.test", False),
        ("0088", "4012345000009", True),
        ("0088", "4012345000008", False),
        ("0204", "04011000-12345-03", True),
        ("0204", "04011000-12345-35", False),
        ("9930", "DE136695976", True),
        ("9930", "DE 136 695 976", False),
        ("0009", "73282932000074", True),
        ("0009", "73282932000075", False),
    ],
)
def test_an_electronic_address_is_of_its_scheme(scheme: str, address: str, right: bool) -> None:
    assert is_electronic_address(address, scheme) is right


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"electronic_address": "a@b.test"}, "electronic_address_scheme", "blank"),
        ({"electronic_address_scheme": "EM"}, "electronic_address", "blank"),
        (
            {"electronic_address": "1", "electronic_address_scheme": "12"},
            "electronic_address_scheme",
            "unknown_scheme",
        ),
        (
            {"electronic_address": "4012345000008", "electronic_address_scheme": "0088"},
            "electronic_address",
            "invalid_electronic_address",
        ),
        (
            {"e_invoice_format": "xrechnung", "buyer_reference": "04011000-12345-35"},
            "buyer_reference",
            "invalid_leitweg_id",
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(changes, field, code) -> None:
    acme = make_workspace()
    answer = ApiClient("workspaces:write").patch(f"workspaces/{acme.pk}/", changes)
    error = problem_of(answer)["errors"][0]

    assert (answer.status_code, error["pointer"], error["code"]) == (400, f"/{field}", code)
    acme.refresh_from_db()
    assert (acme.e_invoice_format, acme.electronic_address) == ("none", "")


@pytest.mark.django_db
def test_what_a_format_lacks_is_said_at_once() -> None:
    acme = make_workspace()
    api = ApiClient("workspaces:write")
    answer = api.patch(f"workspaces/{acme.pk}/", {"e_invoice_format": "xrechnung"})
    assert answer.json()["e_invoice_lacks"] == [
        "address_country",
        "buyer_reference",
        "address_city",
        "address_postal_code",
    ]
    answer = api.patch(
        f"workspaces/{acme.pk}/",
        {
            "buyer_reference": "04011000-12345-03",
            "address_city": "Berlin",
            "address_postal_code": "10119",
            "address_country": "DE",
        },
    )
    assert answer.json()["e_invoice_lacks"] == []
    answer = api.patch(f"workspaces/{acme.pk}/", {"e_invoice_format": "peppol"})
    assert answer.json()["e_invoice_lacks"] == ["electronic_address"]


@pytest.mark.django_db
def test_an_owner_chooses_the_format_and_sees_what_it_lacks() -> None:
    acme = make_workspace()
    page = reverse("billing:settings", args=[acme.pk])
    owner = member_client(acme)
    sent = {
        "form": "e-invoices",
        "e_invoice_format": "xrechnung",
        "e_invoice_attached": "on",
        "buyer_reference": "",
        "order_number": "PO 4711",
        "electronic_address": "",
        "electronic_address_scheme": "",
    }
    text = owner.post(page, sent, follow=True).content.decode()
    assert "It holds for invoices from now on." in text
    assert "Buyer reference: XRechnung wants one." in text
    acme.refresh_from_db()
    assert (acme.e_invoice_format, acme.order_number) == ("xrechnung", "PO 4711")
    assert [field for field, _ in missing_details(acme)][:2] == [
        "address_country",
        "buyer_reference",
    ]

    refused = owner.post(page, {**sent, "buyer_reference": "04011000-12345-35"})
    assert refused.status_code == 422
    assert "its check digits are wrong" in refused.content.decode()

    viewer = member_client(acme, role="viewer")
    assert viewer.post(page, {**sent, "e_invoice_format": "none"}).status_code == 403
    assert Workspace.objects.get(pk=acme.pk).e_invoice_format == "xrechnung"


@pytest.mark.django_db
def test_a_month_that_began_with_an_issuer_without_e_invoices_is_named_to_finance() -> None:
    german_issuer()
    acme = make_customer("Acme", **{**GERMAN_DETAILS, "issuing_entity": None})
    make_period(acme, clock.now())
    update_workspace(workspace_id=acme.pk, changes={"issuing_entity": "DE"}, now=clock.now())
    globex = make_customer("Globex", **GERMAN_DETAILS)
    make_period(globex, clock.now())
    says = "The running month is still invoiced by the issuer whom the settings name"
    finance = finance_client()
    assert says in change_page(finance, "billing_workspace", acme.pk)
    assert says not in change_page(finance, "billing_workspace", globex.pk)
