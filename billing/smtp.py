"""The SMTP backend: Django's, and mailboxes whose name is not ASCII (RFC 6531).

Django writes such a name as an encoded word, which is another, invalid mailbox. Here the mail is
sent as UTF-8 where the server offers that, and is not sent where it does not.
"""

from email.generator import BytesGenerator
from email.headerregistry import Address
from email.policy import SMTPUTF8
from email.utils import formataddr, parseaddr
from io import BytesIO
from smtplib import SMTPException

from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend as DjangoBackend
from django.core.mail.message import sanitize_address


class AddressNotSupported(SMTPException):
    """The mail server takes no mailbox with such a name, now or later."""


class EmailBackend(DjangoBackend):
    def _send(self, email_message: EmailMessage) -> bool:
        addresses = email_message.recipients()
        strange = [address for address in addresses if not _mailbox(address).isascii()]
        if not strange:
            return bool(super()._send(email_message))  # type: ignore[misc]
        assert self.connection is not None
        self.connection.ehlo_or_helo_if_needed()
        if not self.connection.has_extn("smtputf8"):
            raise AddressNotSupported(
                f"The mail server takes no address like {strange[0]}: it does not offer SMTPUTF8."
            )
        sender = sanitize_address(email_message.from_email, "utf-8")
        self.connection.sendmail(
            parseaddr(sender)[1],
            [_utf8_address(address) for address in addresses],
            _as_utf8(email_message),
            mail_options=["SMTPUTF8", "BODY=8BITMIME"],
        )
        return True


def _mailbox(address: str) -> str:
    return parseaddr(address)[1].rpartition("@")[0]


def _utf8_address(address: str) -> str:
    """The bare address; its domain as DNS has it."""
    mailbox, _, domain = parseaddr(address)[1].rpartition("@")
    return Address(username=mailbox, domain=domain.encode("idna").decode()).addr_spec


def _as_utf8(email_message: EmailMessage) -> bytes:
    message = email_message.message()
    for name, addresses in (("To", email_message.to), ("Cc", email_message.cc)):
        if addresses:
            del message[name]
            written = [
                formataddr((parseaddr(address)[0], _utf8_address(address)), "utf-8")
                if _mailbox(address).isascii()
                else _utf8_address(address)
                for address in addresses
            ]
            # Past Django's own encoding of address headers.
            message._headers.append((name, ", ".join(written)))  # type: ignore[attr-defined]
    out = BytesIO()
    policy = SMTPUTF8.clone(linesep="\r\n")
    BytesGenerator(out, mangle_from_=False, policy=policy).flatten(message, linesep="\r\n")
    return out.getvalue()
