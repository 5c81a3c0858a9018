"""Addresses of this site's pages, whole, as e-mails and papers carry them."""

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
    meta = about._meta
    return page_url(f"admin:{meta.app_label}_{meta.model_name}_change", about.pk)
