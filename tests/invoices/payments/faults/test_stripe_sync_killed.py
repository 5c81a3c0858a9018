"""Real processes killed by SIGKILL during a request, which Stripe goes on to carry out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from billing.services import work
from dev.stripe_sandbox.testing import SandboxProcess
from invoices.models import Invoice
from invoices.payments.services.stripe_sync import sync_invoice
from tests.kit.invoices import NOVEMBER_2, make_invoice
from tests.kit.outcome import AT_ONCE, flaws, go_on
from tests.kit.personas import make_workspace
from tests.kit.waiting import wait_until

pytestmark = pytest.mark.django_db(transaction=True)

ROOT = Path(__file__).resolve().parents[4]


def start_syncing(invoice: Invoice, sandbox: SandboxProcess) -> subprocess.Popen[bytes]:
    database = connection.settings_dict
    url = "postgresql://{USER}:{PASSWORD}@/{NAME}?host={HOST}&port={PORT}".format(**database)
    environment = {
        **os.environ,
        "DATABASE_URL": url,
        "REDIS_URL": "redis://127.0.0.1:9/0",
        "SECRET_KEY": settings.SECRET_KEY,
        "STRIPE_API_BASE": sandbox.url,
        "STRIPE_SECRET_KEY": sandbox.key,
        "STRIPE_MAX_REQUESTS_PER_SECOND": "0",
    }
    script = ROOT / "tests" / "kit" / "sync_once.py"
    return subprocess.Popen(
        [sys.executable, str(script), str(invoice.pk), NOVEMBER_2.isoformat()],
        env={**environment, "PYTHONPATH": str(ROOT)},
    )


@pytest.mark.parametrize(
    "path", [r"/v1/invoices$", r"/v1/invoiceitems$", r"/finalize$"], ids=["draft", "item", "final"]
)
def test_a_killed_process_is_followed_by_another(path: str, stripe_sandbox: SandboxProcess) -> None:
    invoice = make_invoice(make_workspace("Acme"), status="draft", collection_method="send_invoice")
    stripe_sandbox.inject("delay", method="POST", path=path, seconds=1.5)
    process = start_syncing(invoice, stripe_sandbox)
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
