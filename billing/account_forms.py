"""Forms of people's own accounts: signing in, the second factor, names, passwords and mails."""

from typing import Any, ClassVar

from django import forms
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy as _lazy

from billing.formats import word
from billing.models import User, WorkspaceMember
from billing.models.fields import EmailFormField
from billing.services.accounts import optional_mails_of
from billing.services.workspaces import timezones
from billing.text import validate_line


class SignInForm(AuthenticationForm):
    """Django's own, for people who know themselves by an e-mail address."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.error_messages = {
            "invalid_login": _("E-mail address and password do not belong together."),
            "inactive": _("This account is no longer active."),
        }
        self.fields["username"] = EmailFormField(
            label=_("E-mail address"),
            widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "username"}),
        )
        self.order_fields(["username", "password"])


class ForgottenForm(forms.Form):
    email = EmailFormField(
        label=_lazy("E-mail address"),
        widget=forms.TextInput(attrs={"autofocus": True, "autocomplete": "username"}),
    )


class CodeForm(forms.Form):
    token = forms.CharField(
        label=_lazy("Code"),
        max_length=40,
        widget=forms.TextInput(
            attrs={"autofocus": True, "autocomplete": "one-time-code", "inputmode": "text"}
        ),
    )


class PasskeyForm(forms.Form):
    name = forms.CharField(
        label=_lazy("Name"),
        max_length=64,
        validators=[validate_line],
        help_text=_lazy("To tell it from others later: “Work laptop”, “Blue key”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )


def _zones() -> list[tuple[str, Any]]:
    """By continent; those without one, as UTC, first."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in sorted(timezones()):
        continent, _slash, place = name.partition("/")
        if place:
            groups.setdefault(continent, []).append((name, place.replace("_", " ")))
    alone = [(name, name) for name in sorted(timezones()) if "/" not in name]
    return [("", _("As the workspace")), ("UTC", "UTC"), *groups.items(), (_("Others"), alone)]


class AccountForm(forms.ModelForm):
    """Who one is, and how pages are shown to this person."""

    time_zone = forms.ChoiceField(
        label=_lazy("Time zone"),
        required=False,
        choices=_zones,
        help_text=_lazy("Of times of day. Months and days stay the workspace's: it is billed so."),
    )

    class Meta:
        model = User
        fields = ["name", "language", "time_zone", "number_format"]
        labels: ClassVar[dict[str, Any]] = {
            "name": _lazy("Name"),
            "language": _lazy("Language"),
            "number_format": _lazy("Numbers"),
        }
        help_texts: ClassVar[dict[str, Any]] = {
            "name": "",
            "language": _lazy("Of pages, and of mails to you."),
            "number_format": "",
        }
        widgets: ClassVar[dict[str, forms.Widget]] = {
            "name": forms.TextInput(attrs={"autocomplete": "name"})
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._first("language", _("As the browser"))
        self._first("number_format", _("As the language"))

    def _first(self, name: str, label: str) -> None:
        field: Any = self.fields[name]
        field.choices = [("", label), *(pair for pair in field.choices if pair[0])]


class NewPasswordForm(PasswordChangeForm):
    """Django's own; the cursor stays where the page begins."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["old_password"].widget.attrs.pop("autofocus", None)
        self.fields["new_password1"].help_text = ""


class MailsForm(forms.Form):
    """Which mails about one workspace a person gets, of those that are not needed."""

    mails = forms.MultipleChoiceField(required=False, widget=forms.CheckboxSelectMultiple)

    def __init__(self, *args: Any, member: WorkspaceMember, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = f"%s-{member.workspace_id}"
        mails: Any = self.fields["mails"]
        theirs = optional_mails_of(member)
        mails.choices = [(each.value, word(each.label)) for each in theirs]
        self.initial["mails"] = [each for each in theirs if each not in member.mails_off]
