"""The SMTP backend: Django's, and what that does not tell or cannot write.

A server may take a mail for some of its recipients and refuse the others: smtplib tells so in its
answer, which Django drops. A mailbox whose name is not ASCII (RFC 6531) Django writes as an encoded
word, which is another, invalid mailbox. Here the mail is sent as UTF-8 where the server offers
that, and is not sent where it does not.
"""

from collections.abc import Sequence
from email.generator import BytesGenerator
from email.headerregistry import Address
from email.policy import SMTPUTF8
from email.utils import formataddr, parseaddr
from io import BytesIO
from smtplib import SMTPException, SMTPRecipientsRefused
from typing import NamedTuple

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend as DjangoBackend
from django.core.mail.message import sanitize_address

from billing.outage import Outage


class AddressNotSupported(SMTPException):
    """The mail server takes no mailbox with such a name, now or later."""


class RefusedFor(NamedTuple):
    """A recipient that the server did not take, and what it said."""

    address: str
    code: int
    said: str

    def __str__(self) -> str:
        return f"{self.address}: {self.code} {self.said}"


class PartlyRefused(SMTPException):
    """The mail is on its way to the other recipients."""

    def __init__(self, refused: list[RefusedFor]) -> None:
        super().__init__("; ".join(map(str, refused)))
        self.refused = refused


def refusals_of(error: Exception) -> list[RefusedFor]:
    """Of recipients, where it is for them that a mail was not taken at all."""
    if not isinstance(error, SMTPRecipientsRefused):
        return []
    return [
        RefusedFor(address, code, said.decode(errors="replace"))
        for address, (code, said) in error.recipients.items()
    ]


def is_for_good(error: Exception) -> bool:
    """Whether nobody it was for has such a mailbox, so that there will be none in an hour."""
    refusals = refusals_of(error)
    if not refusals:
        return isinstance(error, AddressNotSupported)
    return all(each.code >= 500 for each in refusals)


MAIL_SERVER = Outage("The mail server")


class EmailBackend(DjangoBackend):
    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Raises `Silent` while a server that does not answer is left alone."""
        with MAIL_SERVER.asking():
            return super().send_messages(email_messages)

    def _send(self, email_message: EmailMessage) -> bool:
        """Raises `PartlyRefused` when it was sent, but not to all."""
        addresses = email_message.recipients()
        if not addresses:
            return False
        assert self.connection is not None
        strange = [address for address in addresses if not _mailbox(address).isascii()]
        if strange:
            self.connection.ehlo_or_helo_if_needed()
            if not self.connection.has_extn("smtputf8"):
                raise AddressNotSupported(
                    f"The mail server takes no address like {strange[0]}: "
                    "it does not offer SMTPUTF8."
                )
        sender = parseaddr(sanitize_address(email_message.from_email, "utf-8"))[1]
        answers = self.connection.sendmail(
            sender,
            [_bare_address(address) for address in addresses],
            _as_utf8(email_message)
            if strange
            else email_message.message().as_bytes(linesep="\r\n"),  # type: ignore[call-arg]  # Django's own
            mail_options=["SMTPUTF8", "BODY=8BITMIME"] if strange else [],
        )
        refused = [
            RefusedFor(address, code, said.decode(errors="replace"))
            for address in addresses
            for code, said in [answers.get(_bare_address(address), (0, b""))]
            if code
        ]
        if refused:
            raise PartlyRefused(refused)
        return True


def _mailbox(address: str) -> str:
    return parseaddr(address)[1].rpartition("@")[0]


def _bare_address(address: str) -> str:
    """As servers are told it: without a name, its domain as DNS has it."""
    mailbox, _, domain = parseaddr(address)[1].rpartition("@")
    return Address(username=mailbox, domain=domain.encode("idna").decode()).addr_spec


def _as_utf8(email_message: EmailMessage) -> bytes:
    message = email_message.message()
    for name, addresses in (("To", email_message.to), ("Cc", email_message.cc)):
        if addresses:
            del message[name]
            written = [
                formataddr((parseaddr(address)[0], _bare_address(address)), "utf-8")
                if _mailbox(address).isascii()
                else _bare_address(address)
                for address in addresses
            ]
            # Past Django's own encoding of address headers.
            message._headers.append((name, ", ".join(written)))  # type: ignore[attr-defined]
    out = BytesIO()
    policy = SMTPUTF8.clone(linesep="\r\n")
    BytesGenerator(out, mangle_from_=False, policy=policy).flatten(message, linesep="\r\n")
    return out.getvalue()
