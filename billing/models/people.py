"""Users: finance staff and members of workspaces, who sign in by e-mail address."""

from typing import Any, ClassVar

from django.contrib.auth.models import AbstractUser, BaseUserManager
from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower

from billing.compiled import CompiledQuery
from billing.languages import Language, NumberFormat
from billing.models.fields import EmailAddressField, LineField
from billing.signals import password_changed
from billing.text import same_address


class UserManager(BaseUserManager["User"]):
    use_in_migrations = True

    def create_user(self, email: str, password: str | None = None, **fields: Any) -> "User":
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=same_address(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> "User":
        return self.create_user(
            email, password, **{"is_staff": True, "is_superuser": True, **fields}
        )

    def get(self, *args: Any, **kwargs: Any) -> "User":
        """By key, as each request asks for whom its session names, in SQL that is made once."""
        key = kwargs.get("pk")
        is_plain = not args and len(kwargs) == 1 and type(key) is int and self._db is None
        if not is_plain or self.model is not User:  # migrations have a model of their own
            return super().get(*args, **kwargs)
        if (found := _BY_KEY.first(key)) is None:
            raise User.DoesNotExist(f"No user has the key {key}.")
        return found

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=same_address(username or ""))


class User(AbstractUser):
    """Signs in with the e-mail address, in any case."""

    username = None  # type: ignore[assignment]
    first_name = None  # type: ignore[assignment]
    last_name = None  # type: ignore[assignment]
    email = EmailAddressField("e-mail", max_length=254)
    name = LineField(max_length=150, blank=True)
    language = models.CharField(
        max_length=2,
        choices=Language,
        blank=True,
        default="",
        db_default="",
        help_text="Of pages and of mails to this person. Empty: the browser's on pages, the"
        " workspace's in mails.",
    )
    time_zone = models.CharField(
        max_length=64,
        blank=True,
        default="",
        db_default="",
        help_text="For times on pages. Empty: the workspace's.",
    )
    number_format = models.CharField(
        max_length=2,
        choices=NumberFormat,
        blank=True,
        default="",
        db_default="",
        help_text="Of numbers on pages. Empty: as the language has it.",
    )

    # Whether the password that waits to be saved takes another's place.
    _replaces_one = False

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects = UserManager()  # type: ignore[misc,assignment]

    class Meta:
        constraints = [
            models.UniqueConstraint(Lower("email"), name="one_user_per_email"),
            models.CheckConstraint(
                condition=Q(language__in=["", *Language.values]), name="user_language_is_known"
            ),
            models.CheckConstraint(
                condition=Q(number_format__in=["", *NumberFormat.values]),
                name="user_number_format_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.email

    def set_password(self, raw_password: str | None) -> None:
        """A hash made anew of the same password, at a sign-in, does not come to `save` as one."""
        self._replaces_one = (
            not self._state.adding and bool(self.password) and self.has_usable_password()
        )
        super().set_password(raw_password)

    def save(self, *args: Any, **kwargs: Any) -> None:
        # Django keeps a new password there until it is saved, and none at a hash made anew.
        is_changed = getattr(self, "_password", None) is not None and self._replaces_one
        super().save(*args, **kwargs)
        if is_changed:
            password_changed.send(type(self), user=self)

    def get_full_name(self) -> str:
        return self.name or self.email

    def get_short_name(self) -> str:
        return self.name or self.email


_BY_KEY = CompiledQuery(lambda key: User.objects.filter(pk=key))


class OwedPasswordLink(models.Model):
    """Somebody is to be mailed a link to set a password; gone once that was sent, or cannot be."""

    user = models.OneToOneField(
        User, on_delete=models.CASCADE, primary_key=True, related_name="owed_link"
    )
    due_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return f"a link for {self.user_id}"
