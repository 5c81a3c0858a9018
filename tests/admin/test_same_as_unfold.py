"""Pages of the admin that are made faster than Unfold makes them show the same."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import settings
from django.template.loaders import filesystem
from django.test import Client, override_settings
from django.urls import reverse
from unfold.admin import ModelAdmin, TabularInline

from billing.admin import base
from billing.models import IssuingEntity, TaxRate, User
from invoices.models import Invoice
from tests.kit.personas import make_workspace
from tests.kit.staff import (
    finance_client,
    make_row_of_each_model,
    superuser_client,
    viewer_client,
    workspace_address,
)

pytestmark = pytest.mark.django_db

_OURS = ("unfold/", "admin/includes/", "admin/filter.html", "admin/nav_sidebar.html")


class WithoutOurs(filesystem.Loader):
    """Our templates without those that take the place of Unfold's."""

    def get_template_sources(self, template_name: str) -> Any:
        if not template_name.startswith(_OURS):
            yield from super().get_template_sources(template_name)


_AS_UNFOLD = {
    "FORM_RENDERER": "django.forms.renderers.DjangoTemplates",
    "TEMPLATES": [
        {
            **settings.TEMPLATES[0],
            "APP_DIRS": False,
            "OPTIONS": {
                **settings.TEMPLATES[0]["OPTIONS"],
                "loaders": [
                    f"{__name__}.WithoutOurs",
                    "django.template.loaders.app_directories.Loader",
                ],
            },
        }
    ],
}


class _Shown(HTMLParser):
    """What a page is to a browser: without spaces between tags, and classes in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Any] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: " ".join((value or "").split()) for name, value in attrs}
        if "class" in said:
            said["class"] = " ".join(sorted(said["class"].split()))
        if said.get("name") == "csrfmiddlewaretoken":
            said["value"] = ""
        self.found.append((tag, said))

    def handle_endtag(self, tag: str) -> None:
        self.found.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        if text := re.sub(r"\s+", " ", data).strip():
            self.found.append(text)


def shown(client: Client, address: str) -> list[Any]:
    answer = client.get(address)
    assert answer.status_code == 200, address
    page = _Shown()
    page.feed(answer.content.decode())
    return page.found


def pages() -> list[str]:
    workspace = make_row_of_each_model()
    entity, rate = IssuingEntity.objects.latest("pk"), TaxRate.objects.latest("pk")
    user = User.objects.latest("pk")
    return [
        reverse("admin:billing_workspace_change", args=[workspace.pk]),
        reverse("admin:billing_workspace_add"),
        reverse("admin:billing_issuingentity_change", args=[entity.pk]),
        reverse("admin:billing_taxrate_change", args=[rate.pk]),
        reverse("admin:billing_user_change", args=[user.pk]),
        reverse("admin:billing_coupon_add"),
        reverse("admin:billing_billingperiod_changelist"),
        reverse("admin:invoices_invoice_changelist") + "?status__exact=open",
        reverse("finance:costs"),
    ]


def test_pages_are_what_unfold_would_make_of_them(monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = pages()
    client = superuser_client()
    ours = [shown(client, address) for address in addresses]
    monkeypatch.setattr(base.FormOnce, "of", lambda form: form)
    with override_settings(**_AS_UNFOLD):
        for address, page in zip(addresses, ours, strict=True):
            assert page == shown(client, address), address


def test_tables_that_only_show_say_what_unfold_would_say(monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_row_of_each_model()
    invoice = Invoice.objects.get(workspace=workspace)
    addresses = [
        reverse("admin:invoices_invoice_change", args=[invoice.pk]),
        workspace_address(workspace, "payments"),
        workspace_address(workspace, "manual_items"),
    ]
    client = superuser_client()

    def said() -> list[list[str]]:
        return [list(_said(shown(client, address))) for address in addresses]

    ours = said()
    assert all("Amount" in page for page in ours)
    monkeypatch.setattr(base.FormOnce, "of", lambda form: form)
    monkeypatch.setattr(base.FrozenInlineMixin, "template", TabularInline.template)
    monkeypatch.setattr(base.BillingAdmin, "_tables", lambda *args: ())
    monkeypatch.setattr(
        base.BillingAdmin, "get_formsets_with_inlines", ModelAdmin.get_formsets_with_inlines
    )
    with override_settings(**_AS_UNFOLD):
        for page, of_unfold in zip(ours, said(), strict=True):
            assert page == of_unfold


def _said(page: list[Any]) -> Iterator[str]:
    """Texts, and where links lead, without what a formset has for a row that is taken out."""
    hidden = False
    for each in page:
        if isinstance(each, str):
            hidden = hidden and each != "/tr"
            if not hidden and not each.startswith("/"):
                yield each
        elif "form-delete" in each[1].get("class", "").split():
            hidden = True
        elif "href" in each[1]:
            yield each[1]["href"]


def test_what_unfold_says_of_a_form_that_is_refused_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_row_of_each_model()
    client, address = superuser_client(), reverse("admin:billing_issuingentity_add")

    def refused() -> list[Any]:
        page = _Shown()
        page.feed(client.post(address, {"code": "<b>", "email": "none"}).content.decode())
        return page.found

    ours = refused()
    assert any("errorlist" in str(each) for each in ours)
    monkeypatch.setattr(base.FormOnce, "of", lambda form: form)
    with override_settings(**_AS_UNFOLD):
        assert ours == refused()


def test_the_navigation_that_is_kept_is_of_those_with_the_same_rights() -> None:
    address = reverse("finance:costs")
    of_root = shown(superuser_client(), address)
    of_viewer = shown(viewer_client(), address)

    assert "Stripe's copies" in of_root
    assert "Stripe's copies" not in of_viewer
    assert [each for each in of_viewer if isinstance(each, tuple) and "active" in str(each[1])]
    # Each is told who they are, although the links were kept.
    assert "vera@finance.test" in of_viewer
    assert "vera@finance.test" not in of_root


def test_buttons_of_a_row_are_its_own_though_they_are_made_once() -> None:
    client = finance_client()
    for name in ("Acme", "Globex", "Acme Two"):
        workspace = make_workspace(name)
        page = client.get(workspace_address(workspace)).content.decode()
        start = page.index('x-on:click.outside="showActions = false"')
        buttons = page[start : page.index("</ul>", start)]
        ids = set(re.findall(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", buttons))
        assert ids == {str(workspace.pk)}
        assert "record_a_payment" in buttons
