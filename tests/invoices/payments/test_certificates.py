"""The certificate of an invoice: what it is made of, proved anew."""

import hashlib
import io
from decimal import Decimal

import pytest
from django.urls import reverse
from pypdf import PdfReader

from billing.models import Workspace
from invoices.models import Invoice
from invoices.payments.services import proof
from invoices.payments.services.proof.certificate import canonical_text
from tests.kit.api import ApiClient
from tests.kit.by_force import changed_by_force
from tests.kit.kept import fresh, made_once
from tests.kit.personas import member_client
from tests.kit.proved import JANUARY_3, MINUTES, make_proved_month
from tests.kit.staff import superuser_client

pytestmark = pytest.mark.django_db


made = made_once(make_proved_month)


@pytest.fixture
def acme(made: Workspace) -> Workspace:
    return fresh(made)


def test_a_certificate_says_what_an_invoice_is_made_of(acme):
    invoice = Invoice.objects.get(workspace=acme)
    owner, api = member_client(acme), ApiClient()

    answer = api.get(f"invoices/{invoice.pk}/certificate/")
    page = owner.get(reverse("payments:certificate", args=[acme.pk, invoice.pk]))
    as_json = owner.get(reverse("payments:certificate-json", args=[acme.pk, invoice.pk]))
    admin = superuser_client().get(
        reverse("admin:invoices_invoice_certificate", args=[invoice.pk]), {"json": ""}
    )

    body = answer.json()
    assert body["verdict"] == "proven"
    assert (body["amount"], body["exact_amount"]) == ("73.150", "73.1500000000")
    assert all(Decimal(step["residual"]) == 0 for step in body["steps"])
    steps = {
        step["name"]: {each["name"]: each["value"] for each in step["figures"]}
        for step in body["steps"]
    }
    assert steps["records"] == {
        "Records": "3",
        "Of them late": "0",
        "Sum at list price": "25.1500000000",
    }
    assert steps["adjustments"]["Added by tiers and packages"] == "-1.0000000000"
    assert (steps["totals"]["Total"], steps["payments"]["Paid"]) == ("73.1500000000", "73.150")
    assert "total_cost" not in answer.content.decode()
    assert body["digest"] == hashlib.sha256(canonical_text(body)).hexdigest()
    assert body["seal"]["records"] == 3
    assert {**as_json.json(), **admin.json()}.keys() == body.keys()
    assert page["Content-Disposition"].endswith(f'"{invoice.number}-certificate.pdf"')
    text = "".join(part.extract_text() for part in PdfReader(io.BytesIO(page.content)).pages)
    for said in ("Proven", invoice.number, "25.15", body["seal"]["digest"][:16]):
        assert said in text
    pdf = api.get(f"invoices/{invoice.pk}/certificate/pdf/")
    assert pdf["Content-Type"] == "application/pdf"


def test_a_certificate_of_what_differs_says_so_and_by_how_much(acme):
    invoice = Invoice.objects.get(workspace=acme)
    with changed_by_force(f"UPDATE usage_usagerollup SET final_cost = final_cost + 0.5 {MINUTES}"):
        body = ApiClient().get(f"invoices/{invoice.pk}/certificate/").json()

    steps = {step["name"]: step for step in body["steps"]}
    assert (body["verdict"], steps["rollups"]["passed"]) == ("differs", False)
    assert steps["rollups"]["residual"] == "0.5000000000"
    with changed_by_force("DELETE FROM usage_sealfingerprints", "DELETE FROM usage_periodseal"):
        assert proof.certify(invoice, now=JANUARY_3).verdict == "not_sealed_yet"


def test_another_workspaces_certificate_is_not_there(acme):
    invoice = Invoice.objects.get(workspace=acme)
    globex = Workspace.objects.get(name="Globex")
    client, key = member_client(globex), ApiClient(workspace_id=globex.pk)

    page = reverse("payments:certificate", args=[globex.pk, invoice.pk])
    assert client.get(page).status_code == 404
    assert key.get(f"invoices/{invoice.pk}/certificate/").status_code == 404
