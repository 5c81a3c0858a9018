"""Finance's pages in a browser: on a phone nothing is wider than it, and axe finds nothing."""

import datetime as dt

import pytest
from django.urls import reverse
from django.utils import timezone

from billing.models import Workspace
from invoices.models import Invoice
from tests.browser.axe import violations
from tests.browser.conftest import Opener
from tests.kit.invoices import issue_invoice
from tests.kit.personas import make_period, make_workspace
from tests.kit.staff import finance_client
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owed() -> Invoice:
    """Acme's overdue invoice of last month, and usage of this one."""
    acme = make_workspace("Acme")
    now = timezone.now()
    last_month = now.replace(day=1) - dt.timedelta(days=10)
    make_usage(acme, last_month, "10", "1")
    make_usage(acme, now, "3", "1")
    return issue_invoice(make_period(acme, last_month), status="overdue")


def judged(acme: Workspace, invoice: Invoice) -> list[str]:
    """The pages that finance has open most."""
    return [
        reverse("admin:index"),
        reverse("finance:customer", args=[acme.pk]),
        reverse("admin:invoices_invoice_changelist"),
        reverse("admin:invoices_invoice_change", args=[invoice.pk]),
    ]


def test_on_a_phone_every_page_fits_and_axe_finds_nothing(open_page: Opener, owed: Invoice) -> None:
    page = open_page(reverse("admin:index"), width=390, client=finance_client())

    for name in ("month_end", "trial", "waiting_work", "proof", "costs", "what_if"):
        page.goto(reverse(f"finance:{name}"))
        assert page.locator(".fin").count() > 0, name
        assert (name, page.evaluate("document.documentElement.scrollWidth")) == (name, 390)
    assert violations(page) == []
    for address in judged(owed.workspace, owed):
        page.goto(address)
        assert (address, page.evaluate("document.documentElement.scrollWidth")) == (address, 390)
        assert (address, violations(page)) == (address, [])


def test_in_the_dark_axe_finds_nothing_and_a_bulk_action_is_shown_first(
    open_page: Opener, owed: Invoice
) -> None:
    page = open_page(reverse("admin:index"), scheme="dark", client=finance_client())
    for address in judged(owed.workspace, owed):
        page.goto(address)
        assert (address, violations(page)) == (address, [])

    page.goto(reverse("admin:invoices_invoice_changelist"))
    page.locator("input.action-select").first.check()
    page.locator("select[name=action]").select_option("write_selected_off")
    page.get_by_role("button", name="Run").click()
    page.get_by_role("heading", name="Write these invoices off?").wait_for()
    assert violations(page) == []
    page.get_by_label("Reason, as the customer may read it").fill("Insolvent")
    page.get_by_role("button", name="Write off (1)").click()
    page.get_by_text("asked of Stripe; the history").wait_for()
    assert owed.actions.get().reason == "Insolvent"
