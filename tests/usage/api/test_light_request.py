"""A request made from an ASGI scope is one for Django."""

import pytest
from django.core.exceptions import DisallowedHost
from django.views.debug import technical_500_response

from usage.api.requests import Headers, LightRequest


def request(**headers: str) -> LightRequest:
    scope = {
        "method": "POST",
        "path": "/api/v1/usage/",
        "scheme": "http",
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.9", 1234),
    }
    return LightRequest(
        scope, Headers({name.replace("_", "-"): value for name, value in headers.items()})
    )


def test_headers_are_found_by_name_in_any_case_and_in_meta():
    made = request(host="localhost", content_length="7", x_forwarded_for="10.0.0.1")

    assert made.headers.get("Content-Length") == made.headers["CONTENT-LENGTH"] == "7"
    assert "X-Forwarded-For" in made.headers
    assert made.headers.get("Accept") is None
    assert (made.META["CONTENT_LENGTH"], made.META["HTTP_X_FORWARDED_FOR"]) == ("7", "10.0.0.1")
    assert (made.META["REMOTE_ADDR"], made.META["SERVER_PORT"]) == ("127.0.0.9", "8000")


def test_the_media_type_is_told_from_its_parameters():
    plain = request(content_type="application/json")
    told = request(content_type="application/json; charset=utf-8")

    assert (plain.content_type, plain.content_params) == ("application/json", {})
    assert (told.content_type, told.content_params) == ("application/json", {"charset": "utf-8"})
    assert request().content_type == ""


def test_hosts_and_proxies_are_believed_as_settings_say(settings):
    assert request(host="localhost:8000").get_host() == "localhost:8000"
    with pytest.raises(DisallowedHost):
        request(host="elsewhere.test").get_host()
    assert not request(x_forwarded_proto="https").is_secure()

    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    assert request(x_forwarded_proto="https").is_secure()
    assert not request(x_forwarded_proto="http").is_secure()


def test_an_error_page_can_be_made_of_it():
    error = RuntimeError("broken")

    page = technical_500_response(request(host="localhost"), RuntimeError, error, None)

    assert (page.status_code, b"broken" in page.content) == (500, True)
