"""Links by which people set a new password, or their first one."""

import datetime as dt

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.cache import cache
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from billing.models import User

# One message a person in this time, however often the form is sent.
PAUSE = dt.timedelta(minutes=5)


def mail_password_link(*, email: str) -> bool:
    """Mail the link to who has this address and may sign in; whether there was anyone.

    Sent at once and kept nowhere: queued e-mails can be read by staff, and this one opens an
    account. It is good once, and for `PASSWORD_RESET_TIMEOUT` seconds.
    """
    user = User.objects.filter(email__iexact=email, is_active=True).first()
    if user is None:
        return False
    # The time of joining keeps apart the people of databases that share a cache.
    sent = f"password-link:{user.pk}:{user.date_joined.timestamp()}"
    if not cache.add(sent, "sent", PAUSE.total_seconds()):
        return True
    path = reverse(
        "billing:set-password",
        args=[
            urlsafe_base64_encode(force_bytes(user.pk)),
            default_token_generator.make_token(user),
        ],
    )
    context = {
        "site_url": settings.SITE_URL,
        "issuer": settings.ISSUER_NAME,
        "link": f"{settings.SITE_URL}{path}",
        "hours": settings.PASSWORD_RESET_TIMEOUT // 3600,
    }
    message = EmailMultiAlternatives(
        subject=f"Set your password for {settings.ISSUER_NAME}",
        body=render_to_string("emails/set_password.txt", context),
        to=[user.email],
    )
    message.attach_alternative(render_to_string("emails/set_password.html", context), "text/html")
    message.send()
    return True
