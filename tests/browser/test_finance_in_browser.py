"""Finance's own pages in a browser: on a phone nothing is wider than it."""

import datetime as dt

import pytest
from django.conf import settings
from django.urls import reverse
from django.utils import timezone

from tests.browser.conftest import Opener
from tests.kit.invoices import issue_invoice
from tests.kit.personas import make_period, make_workspace
from tests.kit.staff import finance_client
from tests.kit.usage import make_usage

pytestmark = pytest.mark.django_db(transaction=True)


def test_every_page_fits_a_phone(open_page: Opener) -> None:
    acme = make_workspace("Acme")
    now = timezone.now()
    last_month = now.replace(day=1) - dt.timedelta(days=10)
    make_usage(acme, last_month, "10", "1")
    issue_invoice(make_period(acme, last_month), status="overdue")
    make_usage(acme, now, "3", "1")
    session = finance_client().cookies[settings.SESSION_COOKIE_NAME].value
    page = open_page("/login/", width=390)
    origin = page.evaluate("location.origin")
    page.context.add_cookies(
        [{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": origin}]
    )

    for name in ("month_end", "trial", "waiting_work", "proof", "costs", "what_if"):
        page.goto(reverse(f"finance:{name}"))
        assert page.locator(".fin").count() > 0, name
        assert (name, page.evaluate("document.documentElement.scrollWidth")) == (name, 390)
    page.goto(reverse("admin:index"))
    assert page.evaluate("document.documentElement.scrollWidth") == 390
