"""Mailboxes of every script, against mail servers that do and do not take them."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.policy import SMTPUTF8

import pytest
from django.core.mail import EmailMultiAlternatives
from pytest_django import Settings

from billing.models import Email
from billing.services.emails import EMAILS, deliver
from tests.kit.personas import NOW

pytestmark = pytest.mark.django_db


class Server(socketserver.ThreadingTCPServer):
    """A mail server: what it was told, and the mails it took."""

    allow_reuse_address = True

    def __init__(self, *, offers: list[str], refuses: str = "", whom: str = "@") -> None:
        super().__init__(("127.0.0.1", 0), Session)
        self.offers = offers
        # What is said to recipients whose address has `whom` in it.
        self.refuses = refuses
        self.whom = whom
        self.commands: list[str] = []
        self.mails: list[bytes] = []


class Session(socketserver.StreamRequestHandler):
    server: Server

    def handle(self) -> None:
        self.say("220 here")
        for line in self.rfile:
            command = line.decode().strip()
            self.server.commands.append(command)
            match command.split(" ")[0].upper():
                case "EHLO":
                    lines = ["here", *self.server.offers]
                    for each in lines[:-1]:
                        self.say(f"250-{each}")
                    self.say(f"250 {lines[-1]}")
                case "RCPT" if self.server.refuses and self.server.whom in command:
                    self.say(self.server.refuses)
                case "DATA":
                    self.say("354 go on")
                    mail = b""
                    while (part := self.rfile.readline()) != b".\r\n":
                        mail += part
                    self.server.mails.append(mail)
                    self.say("250 taken")
                case "QUIT":
                    self.say("221 bye")
                    return
                case _:
                    self.say("250 fine")

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def serving(settings: Settings, **behaviour: object) -> Iterator[Server]:
    with Server(**behaviour) as server:  # type: ignore[arg-type]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        settings.EMAIL_BACKEND = "billing.smtp.EmailBackend"
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.server_address
        settings.EMAIL_USE_TLS = False
        yield server
        server.shutdown()


def email_to(*recipients: str) -> Email:
    return Email.objects.create(
        key="a key",
        kind="limit",
        recipients=list(recipients),
        subject="Für Zoë: 80 % genutzt",
        text="Grüße",
        html="<p>Grüße</p>",
        requested_at=NOW,
        next_attempt_at=NOW,
    )


def test_a_mailbox_in_another_script_is_spoken_to_in_utf8(settings: Settings) -> None:
    with serving(settings, offers=["8BITMIME", "SMTPUTF8"]) as server:
        assert deliver(email_id=email_to("用户@例子.test", "zoe@acme.test").pk, now=NOW)
    domain = "xn--fsqu00a.test"
    assert [each for each in server.commands if each.startswith(("mail", "rcpt"))] == [
        "mail FROM:<billing@voice-platform.example> SMTPUTF8 BODY=8BITMIME",
        f"rcpt TO:<用户@{domain}>",
        "rcpt TO:<zoe@acme.test>",
    ]
    (mail,) = server.mails
    read = message_from_bytes(mail, policy=SMTPUTF8)
    assert read["To"] == f"用户@{domain}, zoe@acme.test"
    assert read["Subject"] == "Für Zoë: 80 % genutzt"
    assert [part.get_content().strip() for part in read.iter_parts()] == ["Grüße", "<p>Grüße</p>"]


def test_a_server_that_cannot_is_not_given_another_mailbox(settings: Settings) -> None:
    email = email_to("用户@例子.test")
    with serving(settings, offers=["8BITMIME"]) as server:
        assert not deliver(email_id=email.pk, now=NOW)
    email.refresh_from_db()
    assert (email.status, email.blocked_reason) == ("blocked", "refused")
    assert email.last_error == (
        "The mail server takes no address like 用户@例子.test: it does not offer SMTPUTF8."
    )
    assert server.mails == []


def test_other_mailboxes_go_as_ever(settings: Settings) -> None:
    with serving(settings, offers=["8BITMIME"]) as server:
        assert deliver(email_id=email_to("zoe@müller.test").pk, now=NOW)
    assert "rcpt TO:<zoe@xn--mller-kva.test>" in server.commands


@pytest.mark.parametrize(
    ("answer", "status"), [("550 no such mailbox", "blocked"), ("450 try later", "waiting")]
)
def test_a_mailbox_that_does_not_exist_is_not_tried_for_days(
    settings: Settings, answer: str, status: str
) -> None:
    email = email_to("nobody@acme.test")
    with serving(settings, offers=["8BITMIME"], refuses=answer):
        assert not deliver(email_id=email.pk, now=NOW)
    email.refresh_from_db()
    assert (email.status, email.last_error) == (status, f"nobody@acme.test: {answer}")


@pytest.mark.parametrize(
    ("answer", "status", "reason"),
    [("550 no such mailbox", "blocked", "refused"), ("450 try later", "waiting", "")],
)
def test_who_was_refused_while_others_got_it_is_not_forgotten(
    settings: Settings, answer: str, status: str, reason: str
) -> None:
    email = email_to("zoe@acme.test", "gone@acme.test")
    email.attachments.create(filename="x.pdf", media_type="application/pdf", content=b"%PDF-")
    with serving(settings, offers=["8BITMIME"], refuses=answer, whom="gone") as server:
        assert deliver(email_id=email.pk, now=NOW)
    assert len(server.mails) == 1
    email.refresh_from_db()
    assert (email.status, email.recipients) == ("done", ["zoe@acme.test"])
    left = Email.objects.exclude(pk=email.pk).get()
    assert (left.status, left.blocked_reason) == (status, reason)
    assert (left.recipients, left.last_error) == (["gone@acme.test"], f"gone@acme.test: {answer}")
    assert (left.subject, left.text, left.html) == (email.subject, email.text, email.html)

    # Once the server takes it, or a person asks for it again, it goes to that one alone.
    EMAILS.retry_now(left.pk, NOW)
    with serving(settings, offers=["8BITMIME"]) as server:
        assert deliver(email_id=left.pk, now=NOW)
    assert [each for each in server.commands if each.startswith("rcpt")] == [
        "rcpt TO:<gone@acme.test>"
    ]
    assert b"x.pdf" in server.mails[0]


def test_the_backend_still_sends_what_has_no_recipient_to_nobody(settings: Settings) -> None:
    with serving(settings, offers=["8BITMIME"]) as server:
        assert EmailMultiAlternatives(subject="x", body="y", to=[]).send() == 0
    assert server.mails == []
