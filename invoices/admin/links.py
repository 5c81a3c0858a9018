"""Where an invoice is found outside of the admin."""

from django.conf import settings
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from invoices.models import EInvoice, Invoice

_CLASS = "text-primary-600 dark:text-primary-500 font-medium"


def link(url: str, text: str, *, new_tab: bool = False) -> SafeString:
    return format_html(
        '<a class="{}" href="{}"{}>{}</a>',
        _CLASS,
        url,
        format_html(' target="_blank" rel="noopener noreferrer"') if new_tab else "",
        text,
    )


def pdf_link(invoice: Invoice) -> SafeString:
    return link(reverse("admin:invoices_invoice_pdf", args=[invoice.pk]), "PDF", new_tab=True)


def e_invoice_link(url: str, kept: EInvoice | None) -> SafeString:
    """`url` makes one of the same facts where the document was issued without."""
    if kept is None:
        return format_html("{} (issued without one)", link(url, "Make one"))
    return format_html("{} ({})", link(url, kept.get_format_display()), kept.rules)


def stripe_link(invoice: Invoice) -> SafeString:
    """Stripe's dashboard; a sandbox has none, so there its hosted page."""
    if not invoice.stripe_invoice_id:
        return format_html("–")
    if settings.STRIPE_API_BASE == "https://api.stripe.com":
        mode = "" if settings.STRIPE_LIVE_MODE else "test/"
        url = f"https://dashboard.stripe.com/{mode}invoices/{invoice.stripe_invoice_id}"
        return link(url, invoice.stripe_invoice_id, new_tab=True)
    if invoice.hosted_invoice_url.startswith(("http://", "https://")):
        return link(invoice.hosted_invoice_url, invoice.stripe_invoice_id, new_tab=True)
    return format_html("{}", invoice.stripe_invoice_id)
