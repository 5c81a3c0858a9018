"""Where e-invoices are delivered: an adapter that a setting names; by default nowhere.

A provider's adapter is a class without arguments that has `find` and `send` (`Adapter`). A try can
be killed after it has sent: the next one asks `find` first.
"""

from pathlib import Path
from typing import Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from invoices.models import EInvoice


class DocumentRejected(Exception):
    """The receiver's side will not take it as it is; trying again would not help."""


class Unavailable(Exception):
    """It cannot be reached now."""


class Adapter(Protocol):
    def find(self, key: str) -> str | None:
        """By which reference the other side knows the e-invoice with this key, if it has it."""

    def send(self, e_invoice: EInvoice) -> str:
        """Hand it over; the reference. Its primary key is the key. Raises `DocumentRejected` and
        `Unavailable`."""


def adapter() -> Adapter | None:
    if not settings.E_INVOICE_DELIVERY:
        return None
    made: Adapter = import_string(settings.E_INVOICE_DELIVERY)()
    return made


class FileDrop:
    """E-invoices as files in `E_INVOICE_DIRECTORY`, from where another program takes them."""

    def __init__(self) -> None:
        self.directory = Path(settings.E_INVOICE_DIRECTORY)

    def find(self, key: str) -> str | None:
        found = sorted(self.directory.glob(f"*-{key}.xml"))
        return found[0].name if found else None

    def send(self, e_invoice: EInvoice) -> str:
        name = f"{e_invoice.number}-{e_invoice.format}-{e_invoice.pk}.xml"
        unfinished = self.directory / f".{name}"
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            unfinished.write_text(e_invoice.xml, encoding="utf-8")
            # Who watches the directory sees the whole file or none.
            unfinished.replace(self.directory / name)
        except OSError as error:
            raise Unavailable(f"{self.directory} cannot be written to: {error}") from error
        return name
