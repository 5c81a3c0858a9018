"""A dialog of the admin whose address is opened by itself: a page like every other."""

from typing import Any

from django.contrib import admin
from django.template import Context, Library
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

register = Library()


@register.simple_tag(takes_context=True)
def dialog_page(context: Context) -> SafeString:
    request = context["request"]
    shown: dict[str, Any] = {name: context[name] for name in ("dialog", "form", "form_submit_text")}
    of_site = admin.site.each_context(request)
    title = {"title": shown["dialog"]["title"]}
    return render_to_string("admin/dialog_page.html", of_site | shown | title, request)
