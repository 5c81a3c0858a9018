"""Close all that is due, for tests that kill the process that does."""

import datetime as dt

from invoices.services.closing import finalize_due_periods


def main(now: str) -> None:
    finalize_due_periods(now=dt.datetime.fromisoformat(now))
