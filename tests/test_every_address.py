"""Every address of the URL configuration, asked in ways that nobody asks it in."""

from collections.abc import Iterator
from uuid import UUID

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.converters import get_converters
from pytest_django import DjangoDbBlocker

from config.metrics import REQUESTS
from tests.kit.kept import kept_for_module
from tests.kit.staff import superuser_client

pytestmark = pytest.mark.django_db

_METHODS = ("GET", "HEAD", "OPTIONS", "DELETE", "PUT", "PATCH", "TRACE", "BREW")
# Whoever is not signed in reads these.
_OPEN = ("/api/schema/", "/api/docs/")
_VALUES = {"uuid": str(UUID(int=1)), "int": "1", "str": "x", "slug": "x", "path": "1"}


def _addresses(patterns: list, prefix: str = "/") -> Iterator[str]:
    kinds = {id(converter): name for name, converter in get_converters().items()}
    for pattern in patterns:
        route = str(pattern.pattern)
        for name, converter in pattern.pattern.converters.items():
            value = _VALUES[kinds.get(id(converter), "str")]
            for spelled in (f"<{name}>", *(f"<{kind}:{name}>" for kind in _VALUES)):
                route = route.replace(spelled, value)
        if isinstance(pattern, URLResolver):
            yield from _addresses(pattern.url_patterns, prefix + route)
        elif isinstance(pattern, URLPattern) and not set("^$()?").intersection(route):
            yield prefix + route


ADDRESSES = sorted(set(_addresses(get_resolver().url_patterns)))
API = [address for address in ADDRESSES if address.startswith("/api/")]


@pytest.fixture(autouse=True)
def _few_metrics() -> None:
    """Else `/metrics` would have lines for the hundreds of addresses that were asked before."""
    REQUESTS.clear()


@pytest.fixture(scope="module")
def root(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Client]:
    """A superuser, made once for the hundreds of addresses."""
    with kept_for_module(django_db_blocker):
        yield superuser_client()


def test_the_enumeration_finds_the_addresses() -> None:
    assert {"/api/v1/usage/batch/", f"/api/v1/invoices/{UUID(int=1)}/", "/healthz"} <= {*ADDRESSES}
    assert "/admin/payments/difference/1/change/" in ADDRESSES
    assert len(API) > 30


@pytest.mark.parametrize("address", API)
def test_nobody_gets_a_server_error_or_an_answer_from_the_api(client: Client, address: str) -> None:
    client.raise_request_exception = False
    for method in (*_METHODS, "POST"):
        status = client.generic(method, address).status_code
        expected = (200, 405) if address in _OPEN else (401, 405)
        assert status in expected, (method, address, status)


PAGES = [each for each in ADDRESSES if each not in API]


def _worth_asking(address: str) -> tuple[str, ...]:
    """Pages of a model are made by Django's admin, which tells POST from all else and no more:
    each would be made eight times over. It is asked for by GET, and in turns by the others."""
    if not address.startswith("/admin/") or address.count("/") < 4:
        return _METHODS
    others = _METHODS[1:]
    return "GET", others[PAGES.index(address) % len(others)]


@pytest.mark.parametrize("address", PAGES)
def test_no_page_answers_a_server_error(client: Client, root: Client, address: str) -> None:
    if address in ("/admin/logout/", "/logout/"):
        return
    for who in (client, root):
        who.raise_request_exception = False
        for method in _worth_asking(address):
            status = who.generic(method, address).status_code
            assert status < 500 or address == "/readyz", (method, address, status)


LISTS = [
    address for address in ADDRESSES if address.startswith("/admin/") and address.count("/") == 4
]


@pytest.mark.parametrize("address", LISTS)
def test_a_null_character_in_a_filter_is_no_server_error(root: Client, address: str) -> None:
    root.raise_request_exception = False
    for query in ("q=%00", "status=%00", "workspace__id__exact=%00", "p=%00"):
        assert root.get(f"{address}?{query}").status_code < 500, query


@pytest.mark.usefixtures("patient_probes")
@pytest.mark.parametrize("address", ["/healthz", "/readyz", "/metrics"])
def test_probes_need_neither_https_nor_a_known_host(client: Client, settings, address: str) -> None:
    settings.SECURE_SSL_REDIRECT = True
    settings.ALLOWED_HOSTS = ["billing.example"]

    assert client.get(address, headers={"host": "10.1.2.3:8000"}).status_code == 200
