"""Model fields of what people type."""

from typing import Any

from django import forms
from django.db import models

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
