"""Sessions of people who are signed in: whose each is, and where it was begun."""

from importlib import import_module

from django.conf import settings
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models

from billing.models.people import User


class Session(AbstractBaseSession):
    user = models.ForeignKey(User, on_delete=models.CASCADE, null=True, related_name="sessions")
    signed_in_at = models.DateTimeField(null=True)
    address = models.CharField(max_length=64, blank=True)
    browser = models.CharField(max_length=200, blank=True)

    @classmethod
    def get_session_store_class(cls) -> type:
        # By its name, for the store imports this model.
        store: type = import_module(settings.SESSION_ENGINE).SessionStore
        return store
