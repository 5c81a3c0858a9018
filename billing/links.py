"""Addresses of this site's pages; with the site's own, as e-mails and papers carry them."""

from django.conf import settings
from django.db.models import Model
from django.urls import reverse


def page_url(name: str, *arguments: object) -> str:
    """`name` as `reverse` takes it: "billing:home"."""
    return f"{settings.SITE_URL}{reverse(name, args=arguments)}"


def admin_url(about: Model | None) -> str:
    """The admin's page of a row; its first page for None."""
    if about is None:
        return page_url("admin:index")
    return f"{settings.SITE_URL}{admin_page(about)}"


def admin_page(row: Model) -> str:
    """The admin's page of a row, for links on pages of this site."""
    meta = row._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[row.pk])
