import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone as clock
from tqdm import tqdm

from billing.errors import BillingError
from billing.services.builtins import ensure_builtins
from dev.demo import accounts
from dev.demo.load import Loader, Progress
from dev.demo.logins import Logins, kept_logins, new_logins
from dev.demo.personas import (
    FINANCE_EMAIL,
    PERSONAS,
    README_COMPANY,
    SECOND_EMAIL,
    Company,
)
from dev.demo.senders import DemoError, DirectSender, HttpSender, Sender
from invoices.models import Invoice


class Command(BaseCommand):
    help = (
        "Load two months of calls and usage of a few workspaces, close and charge the first. "
        "Running it again changes nothing and prints the logins again."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--url",
            type=_web_address,
            help="post to this running server, whose worker syncs (default: do it all here)",
        )
        parser.add_argument("--seed", type=int, default=2026, help="another seed, other calls")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.STRIPE_LIVE_MODE:
            raise CommandError("the demo is not for an account with a live Stripe key.")
        now = clock.now()
        kept = kept_logins(now=now)
        logins = kept or new_logins(now=now)
        loader = Loader(PERSONAS, step=self._step)
        if not loader.is_loaded():
            self._load(loader, logins, url=options["url"], seed=options["seed"])
        elif not kept:
            accounts.let_in(PERSONAS, password=logins.password)
        loader.give_and_take()
        self._print_logins(logins, options["url"] or settings.SITE_URL)

    def _load(self, loader: Loader, logins: Logins, *, url: str | None, seed: int) -> None:
        sender: Sender = HttpSender(url, logins.service_key) if url else DirectSender()
        try:
            ensure_builtins()
            loader.make_accounts(password=logins.password)
            loaded = loader.load_usage(sender, seed=seed)
            if not url:
                loader.sync_here()
            unsettled = loader.wait_until_settled()
        except (DemoError, BillingError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"Loaded {loaded.calls:,} calls and {loaded.records:,} usage records.")
        for invoice in unsettled:
            self.stderr.write(_why_unsettled(invoice))

    @contextmanager
    def _step(self, label: str) -> Iterator[Progress]:
        """A line a step with its seconds; on a terminal a bar meanwhile."""
        started_at = time.monotonic()
        with tqdm(desc=label, file=sys.stderr, disable=None, leave=False) as bar:

            def show(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)
                bar.refresh()

            if bar.disable:
                self.stdout.write(f"{label} ...", ending=" ")
                self.stdout.flush()
            yield show
        text = f"{time.monotonic() - started_at:.1f} s"
        self.stdout.write(text if bar.disable else f"{label} ... {text}")

    def _print_logins(self, logins: Logins, url: str) -> None:
        width = max(len(company.name) for company in PERSONAS)
        lines = [
            "",
            f"  Finance     {FINANCE_EMAIL}   {url}/admin/",
            f"  Colleague   {SECOND_EMAIL}   approves what takes two",
            "  Owners",
        ]
        lines += [
            f"    {company.name:<{width}}  {company.owner_email:<24} {company.timezone:<20}"
            f" {company.currency}  {_story(company)}"
            for company in PERSONAS
        ]
        lines += [
            f"  Password    {logins.password}   (for all of them)",
            "",
            "  For the API, as the README uses them:",
            f"    export BILLING_URL={url}",
            f"    export BILLING_KEY={logins.service_key}",
            f"    export WORKSPACE={README_COMPANY.id}",
        ]
        self.stdout.write("\n".join(lines))


def _story(company: Company) -> str:
    """What is to be seen there; of a month that nobody has approved yet, only that it waits."""
    billed = Invoice.objects.filter(workspace=company.id, billing_period__isnull=False)
    if settings.CLOSE_NEEDS_APPROVAL and not billed.exists():
        return "last month waits to be approved, in the admin's Month end"
    return company.story.value


def _why_unsettled(invoice: Invoice) -> str:
    return (
        f"warning: invoice {invoice.number} of {invoice.workspace} is still {invoice.status}."
        f" Its page in the admin says why; {settings.LOCAL_DIR / 'log'} has the worker's log."
    )


def _web_address(text: str) -> str:
    if urlsplit(text).scheme not in ("http", "https"):
        raise ValueError(text)
    return text.rstrip("/")
