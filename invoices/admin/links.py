"""Where an invoice is found outside of the admin."""

from django.conf import settings
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString

from billing.escaping import escaped
from billing.row_addresses import row_address
from invoices.models import EInvoice, Invoice

_CLASS = "text-primary-600 dark:text-primary-500 font-medium"
_NEW_TAB = ' target="_blank" rel="noopener noreferrer"'


def link(url: str, text: str, *, new_tab: bool = False) -> SafeString:
    more = _NEW_TAB if new_tab else ""
    return SafeString(f'<a class="{_CLASS}" href="{escape(url)}"{more}>{escaped(text)}</a>')


def pdf_link(invoice: Invoice) -> SafeString:
    return link(row_address("admin:invoices_invoice_pdf", invoice.pk), "PDF", new_tab=True)


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
