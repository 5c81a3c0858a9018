"""Where the link in a budget's mail leads: no more of them, or again."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone as clock
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from billing.errors import BillingError
from billing.languages import in_language
from usage.services import budget_opt_outs


# A mail program posts here for its reader (RFC 8058), with no page of ours before. That a link is
# only opened changes nothing: programs that look for viruses open all of them.
@csrf_exempt
@require_http_methods(["GET", "POST"])
@never_cache
def unsubscribe(request: HttpRequest, token: str) -> HttpResponse:
    try:
        reader = budget_opt_outs.reader_of(token)
    except BillingError:
        return render(request, "usage/unsubscribe.html", {"reader": None}, status=404)
    if request.method == "POST":
        if "again" in request.POST:
            budget_opt_outs.opt_in(reader)
        else:
            budget_opt_outs.opt_out(reader, now=clock.now())
    context: dict[str, Any] = {
        "reader": reader,
        "is_out": budget_opt_outs.opt_outs(reader.workspace.pk, [reader.email]).exists(),
    }
    with in_language(reader.workspace.language):
        return render(request, "usage/unsubscribe.html", context)
