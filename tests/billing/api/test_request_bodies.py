"""What bodies are read, and up to which size."""

import gzip
import io

import pytest
from django.test import Client

from tests.kit.api import bearer, make_key, problem_of

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.kit.api_probe")]


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        (b"", "application/json", 400, "malformed_json"),
        (b"{", "application/json", 400, "malformed_json"),
        (b"[1]", "application/json", 400, "malformed_json"),
        (b'"a"', "application/json", 400, "malformed_json"),
        (b"[" * 100_000, "application/json", 400, "malformed_json"),
        (b"\xff", "application/json", 400, "malformed_json"),
        (b"a=1", "application/x-www-form-urlencoded", 415, "unsupported_media_type"),
        (b"{}", "text/plain", 415, "unsupported_media_type"),
        (b"{}", "", 415, "unsupported_media_type"),
        (b"x" * 2_000, "application/json", 413, "body_too_large"),
    ],
)
def test_bodies_that_are_not_read(client: Client, settings, body, media_type, status, code):
    settings.API_MAX_BODY_BYTES = 1_024 if status == 413 else 200_000
    headers = bearer(make_key("usage:write"))

    response = client.generic("POST", "/api/echo/", body, media_type, headers=headers)

    assert (response.status_code, problem_of(response)["code"]) == (status, code)


def test_json_may_name_its_charset(client: Client):
    headers = bearer(make_key("usage:write"))

    response = client.post(
        "/api/echo/", b'{"a": 0.10}', "application/json; charset=utf-8", headers=headers
    )

    assert response.json() == {"a": "0.10"}


def test_a_gzipped_body_is_unpacked_up_to_its_own_limit(client: Client, settings):
    settings.API_MAX_UNPACKED_BYTES = 10_000
    headers = {**bearer(make_key("usage:write")), "Content-Encoding": "gzip"}

    def send(body: bytes, url: str = "/api/echo/"):
        return client.post(url, body, "application/json", headers=headers)

    packed = gzip.compress(b'{"a": 1}')
    assert send(packed).json() == {"a": "1"}
    assert send(gzip.compress(b'{"a":') + gzip.compress(b" 2}")).json() == {"a": "2"}
    assert send(gzip.compress(b" " * 10_001)).status_code == 413
    assert send(gzip.compress(b" " * 10_000), "/api/hot/").json()["size"] == 10_000
    assert problem_of(send(packed[:-4]))["code"] == "malformed_json"
    assert problem_of(send(packed + packed[:5]))["code"] == "malformed_json"
    # A million empty ones fit into a body, and would keep a process busy for minutes.
    assert send(gzip.compress(b"") * 999 + packed).json() == {"a": "1"}
    assert problem_of(send(gzip.compress(b"") * 1000 + packed))["code"] == "malformed_json"
    assert problem_of(send(b'{"a": 1}'))["code"] == "malformed_json"


def test_other_encodings_are_refused(client: Client):
    headers = {**bearer(make_key("usage:write")), "Content-Encoding": "br"}

    response = client.post("/api/hot/", b"{}", "application/json", headers=headers)

    assert (response.status_code, problem_of(response)["code"]) == (415, "unsupported_media_type")


def test_a_body_in_chunks_is_read_to_its_end(client: Client, settings):
    settings.API_MAX_BODY_BYTES = 1_024

    def send(body: bytes):
        return client.generic(
            "POST",
            "/api/echo/",
            headers={**bearer(make_key("usage:write")), "Transfer-Encoding": "chunked"},
            CONTENT_TYPE="application/json",
            **{"wsgi.input": io.BytesIO(body), "wsgi.input_terminated": True},
        )

    assert send(b'{"a": 3}').json() == {"a": "3"}
    assert send(b" " * 1_025).status_code == 413
    assert send(b"").status_code == 400


def test_a_broken_connection_is_no_server_error(client: Client):
    response = client.generic(
        "POST",
        "/api/hot/",
        headers=bearer(make_key("usage:write")),
        CONTENT_TYPE="application/json",
        CONTENT_LENGTH="100",
        **{"wsgi.input": io.BytesIO(b'{"a": 1}')},
    )

    assert (response.status_code, problem_of(response)["code"]) == (400, "malformed_json")
