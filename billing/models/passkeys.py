"""Passkeys: key pairs on people's own devices, whose public halves are kept here."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django_otp.models import Device

from billing.models.people import User


class Passkey(Device):
    """One of django-otp's devices, so that a session which it has verified is known by it.

    Both halves are bound to the host that it was made at (WebAuthn's relying party id).
    """

    credential_id = models.BinaryField(max_length=1023, unique=True)
    public_key = models.BinaryField(max_length=2048)
    # Counts its uses, where the device counts: a lower number comes from a copy.
    sign_count = models.BigIntegerField(default=0)
    transports = ArrayField(models.CharField(max_length=16), default=list)
    host = models.CharField(max_length=253)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    # As django-otp's, whose manager has no types: nobody goes this way round.
    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="+")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(sign_count__gte=0), name="passkey_use_counts_up"
            ),
            models.UniqueConstraint(fields=["user", "name"], name="one_passkey_per_user_and_name"),
        ]
