"""Real processes killed by SIGKILL during a request, which Stripe goes on to carry out."""

import os
from collections.abc import Iterator

import pytest
from django.conf import settings
from django.db import connection

from billing.services import work
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.forked import DJANGO, Ready
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.outcome import AT_ONCE, flaws, go_on
from tests.kit.personas import make_workspace
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(scope="module")
def ready(django_db_setup: None, sandbox_process: SandboxProcess) -> Iterator[Ready]:
    database = connection.settings_dict
    url = "postgresql://{USER}:{PASSWORD}@/{NAME}?host={HOST}&port={PORT}".format(**database)
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings.local",
        "DATABASE_URL": url,
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "SECRET_KEY": settings.SECRET_KEY,
        "STRIPE_API_BASE": sandbox_process.url,
        "STRIPE_SECRET_KEY": sandbox_process.key,
        "STRIPE_MAX_REQUESTS_PER_SECOND": "0",
    }
    with Ready(f"{DJANGO}\nimport tests.kit.sync_once", environment) as made:
        yield made


@pytest.mark.parametrize(
    "path", [r"/v1/invoices$", r"/v1/invoiceitems$", r"/finalize$"], ids=["draft", "item", "final"]
)
def test_a_killed_process_is_followed_by_another(
    path: str, stripe_sandbox: SandboxProcess, ready: Ready
) -> None:
    invoice = make_invoice(make_workspace("Acme"), status="draft", collection_method="send_invoice")
    stripe_sandbox.inject("delay", method="POST", path=path, seconds=1.5)
    facts = f"{str(invoice.pk)!r}, {NOVEMBER_2.isoformat()!r}"
    process = ready.start(f"import tests.kit.sync_once as it; it.main({facts})")
    wait_until(lambda: stripe_sandbox.faults()[0]["count"] == 0)
    process.kill()
    process.wait()
    # Nobody else may work on it before the lease of the dead has run out ...
    assert sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2).busy
    # ... and then the request may be still under way, with its key in use.
    sync_invoice(invoice_id=invoice.pk, now=NOVEMBER_2 + 2 * work.lease_duration())
    wait_until(lambda: any(_is(request, path) for request in stripe_sandbox.requests()))
    result = go_on(invoice, since=NOVEMBER_2, pause=AT_ONCE, sandbox=stripe_sandbox)
    assert flaws(invoice, result) == []


def _is(request: dict[str, object], path: str) -> bool:
    return (request["method"], request["status"]) == ("POST", 200) and str(
        request["path"]
    ).endswith(path.rstrip("$"))
