"""The language of each page: the person's own, else the browser's, else the installation's.

Finance's admin and the API speak English whatever was asked for: their words are looked up in
documentation, and an answer of the API is the same for everybody.
"""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language_from_request

from billing.languages import Habits, in_language
from billing.models import User

_ENGLISH = ("/admin/", "/api/", "/stripe/", "/static/")


class LanguageMiddleware:
    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path.startswith(_ENGLISH):
            with in_language("en"):
                return self._get_response(request)
        user = request.user
        own = user if isinstance(user, User) else None
        chosen = own.language if own else ""
        language = chosen or get_language_from_request(request)
        having = Habits(own.number_format, own.time_zone) if own else Habits()
        with in_language(language, having):
            response = self._get_response(request)
        if not chosen:
            patch_vary_headers(response, ["Accept-Language"])
        response.headers.setdefault("Content-Language", language)
        return response
