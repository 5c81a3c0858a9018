"""Model fields of what people type."""

from typing import TYPE_CHECKING, Any

from django import forms
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Q

from billing.stripe_accounts import DEFAULT, AccountName
from billing.text import MAX_EMAIL_LENGTH, email_address, validate_address, validate_line


class EmailFormField(forms.CharField):
    """An e-mail address of any script. Not `type="email"`: browsers know ASCII ones only, and send
    a domain otherwise than it was typed."""

    default_validators = [validate_address]

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", MAX_EMAIL_LENGTH)
        super().__init__(**kwargs)
        self.widget.input_type = "text"
        self.widget.attrs.setdefault("inputmode", "email")

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return email_address(text) if text else text


class EmailAddressField(models.EmailField):
    default_validators = [validate_address]

    def formfield(self, **kwargs: Any) -> Any:
        return super().formfield(**{"form_class": EmailFormField, **kwargs})


class LineField(models.CharField):
    """One line of text, of characters that show."""

    default_validators = [validate_line]


if TYPE_CHECKING:
    _AccountBase = models.CharField[AccountName, AccountName]
else:
    _AccountBase = models.CharField
_ACCOUNT = r"[a-z][a-z0-9_]{0,31}"


class StripeAccountField(_AccountBase):
    """The name of one of the settings' Stripe accounts, never its key."""

    default_validators = [
        RegexValidator(rf"\A{_ACCOUNT}\Z", "A small letter, then small letters, digits or _; 32.")
    ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs = {"max_length": 32, "default": DEFAULT, "db_default": DEFAULT, **kwargs}
        super().__init__(*args, **kwargs)


def names_an_account(name: str, field: str = "stripe_account") -> models.CheckConstraint:
    return models.CheckConstraint(condition=Q(**{f"{field}__regex": f"^{_ACCOUNT}$"}), name=name)
