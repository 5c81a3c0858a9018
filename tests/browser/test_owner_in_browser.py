"""What only a browser can tell: scripts under the strict policy, themes, phones, keyboards."""

import datetime as dt
import re
from pathlib import Path

import pytest
from django.urls import reverse
from django.utils import timezone
from playwright.sync_api import Page, expect

from billing.models import Workspace
from tests.browser.axe import violations
from tests.browser.conftest import Opener
from tests.kit.invoices import issue_invoice
from tests.kit.personas import (
    PASSWORD,
    make_agent,
    make_member,
    make_period,
    make_workspace,
    member_client,
)
from tests.kit.usage import make_call, make_usage
from usage.services.call_prices import price_calls

pytestmark = pytest.mark.django_db(transaction=True)
AUDIT = (Path(__file__).parent / "audit.js").read_text()


@pytest.fixture
def acme() -> Workspace:
    """Acme with usage of two providers, a call and an overdue invoice for last month."""
    where = make_workspace("Acme", usage_limit_monthly="20")
    make_member(where)
    now = timezone.now()
    last_month = now.replace(day=1) - dt.timedelta(days=10)
    make_usage(where, last_month, "10", "1")
    issue_invoice(make_period(where, last_month), status="overdue")
    call = make_call(where, now - dt.timedelta(minutes=5))
    make_usage(where, now, "3", "1", call_id=call)
    make_usage(where, now, "1000", "0.002", resource_type="synthesis", provider="elevenlabs")
    make_agent(where, "Front desk")
    price_calls(now=now)
    return where


def charts_are_drawn(page: Page) -> None:
    page.wait_for_function(
        "() => [...document.querySelectorAll('.chart-plot')].every((plot) => plot.dataset.drawn)"
    )


def colour_of_bars(page: Page) -> str:
    bar = page.locator("[data-figure=spend-by-day] .points path").first
    colour: str = bar.evaluate("(path) => getComputedStyle(path).fill")
    return colour


def test_charts_are_drawn_under_the_policy_and_follow_the_theme_at_once(
    open_page: Opener, acme: Workspace
) -> None:
    page = open_page(reverse("analytics:dashboard", args=[acme.pk]), client=member_client(acme))
    charts_are_drawn(page)
    assert page.locator(".chart-plot svg.main-svg").count() >= 4
    in_light = colour_of_bars(page)
    page.emulate_media(color_scheme="dark")
    page.wait_for_function(
        "(before) => getComputedStyle(document.querySelector("
        "'[data-figure=spend-by-day] .points path')).fill !== before",
        arg=in_light,
    )
    assert {in_light, colour_of_bars(page)} == {"rgb(47, 85, 212)", "rgb(125, 155, 255)"}


def test_the_numbers_of_a_chart_open_by_keyboard(open_page: Opener, acme: Workspace) -> None:
    page = open_page(reverse("analytics:dashboard", args=[acme.pk]), client=member_client(acme))
    chart = page.locator("figure", has=page.get_by_role("heading", name="Spend by day"))
    expect(chart.get_by_role("table")).to_be_hidden()
    chart.get_by_text("Show the numbers").focus()
    page.keyboard.press("Enter")
    expect(chart.get_by_role("table")).to_contain_text("$6.00")


def test_the_keyboard_skips_to_the_content_and_the_menu_closes_with_escape(
    open_page: Opener, acme: Workspace
) -> None:
    page = open_page(reverse("usage:agents", args=[acme.pk]), client=member_client(acme))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    menu = page.locator("#workspace-menu")
    expect(menu.get_by_role("button", name="Sign out")).to_be_visible()
    page.keyboard.press("Escape")
    expect(menu).to_be_hidden()


def test_a_filter_changes_the_results_the_address_and_goes_back(
    open_page: Opener, acme: Workspace
) -> None:
    page = open_page(reverse("usage:records", args=[acme.pk]), client=member_client(acme))
    expect(page.locator("#results tbody tr")).to_have_count(3)
    page.evaluate("window.stayed = true")
    page.get_by_label("Provider").select_option("elevenlabs")
    expect(page.locator("#results tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"/usage/\?provider=elevenlabs$"))
    assert page.evaluate("window.stayed") is True
    assert page.evaluate(AUDIT) == []
    page.go_back()
    expect(page.locator("#results tbody tr")).to_have_count(3)


def test_an_owner_signs_in_raises_the_limit_and_signs_out(
    open_page: Opener, acme: Workspace
) -> None:
    page = open_page(reverse("billing:settings", args=[acme.pk]))
    page.get_by_label("E-mail address").fill("owner@acme.test")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_label("Monthly usage limit (USD)").fill("1000")
    page.get_by_role("button", name="Save limits").click()
    # The overdue invoice has suspended Acme, and its agent was set live by hand since.
    said = "Limits saved. 1 agent was paused now."
    expect(page.get_by_role("status")).to_have_text(said)
    acme.billing_settings.refresh_from_db()
    assert acme.billing_settings.usage_limit_monthly == 1000
    page.get_by_role("button", name="Acme").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Sign in")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_every_page_fits_reads_and_is_labelled(
    open_page: Opener, acme: Workspace, width: int, scheme: str
) -> None:
    invoice = acme.invoices.get()
    item = invoice.items.get(resource_type="call_minutes")
    call = acme.calls.get()
    page = open_page("/login/", width=width, scheme=scheme)
    assert page.evaluate(AUDIT) == []
    found = {"/login/": violations(page)}
    page = open_page("/", width=width, scheme=scheme, client=member_client(acme))
    for own in ("/account/", "/workspaces/"):
        page.goto(own)
        page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
        assert (own, page.evaluate(AUDIT)) == (own, [])
        found[own] = violations(page)
        assert (own, page.evaluate("document.documentElement.scrollWidth")) == (own, width)
    for name, more in (
        ("analytics:dashboard", []),
        ("usage:records", []),
        ("usage:calls", []),
        ("usage:receipt", [call.pk]),
        ("analytics:compare", []),
        ("analytics:spend", []),
        ("usage:agents", []),
        ("invoices:list", []),
        ("invoices:detail", [invoice.pk]),
        ("invoices:item", [invoice.pk, item.pk]),
        ("invoices:upcoming", []),
        ("payments:statement", []),
        ("billing:people", []),
        ("billing:keys", []),
        ("billing:changes", []),
        ("billing:settings", []),
    ):
        page.goto(reverse(name, args=[acme.pk, *more]))
        page.evaluate("document.querySelectorAll('details').forEach((each) => each.open = true)")
        assert (name, page.evaluate(AUDIT)) == (name, [])
        assert (name, page.evaluate("document.documentElement.scrollWidth")) == (name, width)
        found[name] = violations(page)
    assert {name: faults for name, faults in found.items() if faults} == {}


def test_paper_shows_the_numbers_and_leaves_out_the_frame(
    open_page: Opener, acme: Workspace
) -> None:
    page = open_page(
        reverse("analytics:dashboard", args=[acme.pk]), scheme="dark", client=member_client(acme)
    )
    charts_are_drawn(page)
    page.emulate_media(media="print")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    expect(page.get_by_role("navigation", name="Main")).to_be_hidden()
    expect(page.locator("figure").first.get_by_role("table")).to_be_visible()
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert background == "rgb(255, 255, 255)"
