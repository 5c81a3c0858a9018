"""What a payer sees and does in the browser."""

import urllib.error
import urllib.parse
import urllib.request

import pypdf
import pytest
import stripe

from tests.kit.sandbox_drafts import default_method, event_types, opened


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object, **kwargs: object) -> None:
        return None


_browser = urllib.request.build_opener(_NoRedirect)


def get(url: str) -> str:
    with _browser.open(url) as response:
        return response.read().decode()


def choose(url: str, card: str) -> tuple[int, str]:
    """Post the form; the status with the address it leads to, or the page shown instead."""
    try:
        with _browser.open(url, data=urllib.parse.urlencode({"card": card}).encode()) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as redirect:
        return redirect.code, redirect.headers["Location"]


def test_a_failed_invoice_is_paid_with_another_card_on_its_page(
    client: stripe.StripeClient, globex: stripe.Customer
) -> None:
    invoice = opened(client, globex.id)
    page = str(invoice.hosted_invoice_url)
    assert "61.34 USD" in get(page)
    assert "Line 1" in get(page)
    status, shown = choose(page, str(default_method(globex)))
    assert (status, "Your card was declined." in shown) == (200, True)
    assert client.v1.invoices.retrieve(invoice.id).attempt_count == 1
    status, location = choose(page, "pm_card_mastercard")
    assert (status, location) == (303, f"/pages/invoices/{invoice.id}")
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
    assert "<form" not in get(page)
    assert event_types(client)[-2:] == ["invoice.paid", "invoice.payment_succeeded"]


def test_what_comes_from_outside_is_escaped(
    client: stripe.StripeClient, acme: stripe.Customer
) -> None:
    client.v1.customers.update(acme.id, {"name": "<script>Acme"})
    page = get(str(opened(client, acme.id).hosted_invoice_url))
    assert "<script>" not in page
    assert "&lt;script&gt;Acme" in page


def test_an_invoice_has_a_readable_pdf(client: stripe.StripeClient, acme: stripe.Customer) -> None:
    invoice = opened(client, acme.id, [1] * 60)
    path, _ = urllib.request.urlretrieve(str(invoice.invoice_pdf))
    pages = pypdf.PdfReader(path).pages
    text = "\n".join(page.extract_text() for page in pages)
    assert len(pages) == 2
    assert f"Invoice {invoice.number}" in text
    assert "Amount due   0.60 USD" in text


def test_checkout_in_setup_mode_saves_a_card_and_returns(
    client: stripe.StripeClient, globex: stripe.Customer
) -> None:
    session = client.v1.checkout.sessions.create(
        {
            "mode": "setup",
            "customer": globex.id,
            "currency": "usd",
            "success_url": "https://app.example/done?session={CHECKOUT_SESSION_ID}",
            "cancel_url": "https://app.example/back",
        }
    )
    assert "https://app.example/back" in get(str(session.url))
    answered = choose(str(session.url), "pm_card_visa")
    assert answered == (303, f"https://app.example/done?session={session.id}")
    after = client.v1.checkout.sessions.retrieve(session.id, {"expand": ["setup_intent"]})
    assert isinstance(after.setup_intent, stripe.SetupIntent)
    assert (after.status, after.setup_intent.status) == ("complete", "succeeded")
    method = client.v1.payment_methods.retrieve(str(after.setup_intent.payment_method))
    assert method.customer == globex.id
    assert event_types(client)[-1] == "checkout.session.completed"
    status, _ = choose(str(session.url), "pm_card_visa")
    assert status == 200


def test_the_portal_changes_the_default_card_and_returns(
    client: stripe.StripeClient, globex: stripe.Customer
) -> None:
    invoice = opened(client, globex.id)
    session = client.v1.billing_portal.sessions.create(
        {"customer": globex.id, "return_url": "https://app.example/invoices"}
    )
    assert str(invoice.number) in get(session.url)
    assert choose(session.url, "pm_card_visa") == (303, "https://app.example/invoices")
    assert client.v1.invoices.pay(invoice.id).status == "paid"


def test_a_page_of_nothing_is_404(client: stripe.StripeClient, acme: stripe.Customer) -> None:
    page = str(opened(client, acme.id).hosted_invoice_url)
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(page + "x")
