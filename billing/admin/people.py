"""Admin pages of users, groups and the admin's own log."""

from typing import Any

from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.utils import timezone as clock
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.enums import ActionVariant
from unfold.forms import UserChangeForm
from unfold.widgets import UnfoldAdminTextInputWidget

from billing.admin.base import BillingAdmin, FrozenAdmin, FrozenInlineMixin, asking
from billing.admin.dialogs import DialogForm
from billing.models import User, WorkspaceMember
from billing.services import second_factor
from billing.services.passwords import owe_password_link
from billing.text import same_address

admin.site.unregister(Group)
# Secrets of second factors are nobody's to see: they are set up by their owners, and reset.
admin.site.unregister([TOTPDevice, StaticDevice])


class NewUserForm(forms.ModelForm):
    """Nobody types a password for somebody else: they are mailed a link to set it."""

    class Meta:
        model = User
        fields = ("email", "name", "is_staff", "groups")

    def clean_email(self) -> str:
        return same_address(str(self.cleaned_data["email"]))

    def save(self, commit: bool = True) -> User:
        self.instance.set_unusable_password()
        person: User = super().save(commit)
        return person


class AuditedReasonForm(DialogForm):
    """The audit log keeps the field of this name."""

    reason = forms.CharField(max_length=200, widget=UnfoldAdminTextInputWidget())


_RIGHTS = ("is_staff", "is_superuser", "groups")


def _may_touch(request: HttpRequest, person: User | None) -> bool:
    """Whether an account is one without rights, or who asks has all of them."""
    if person is None or getattr(request.user, "is_superuser", False):
        return True
    return not (person.is_staff or person.is_superuser)


class MembershipInline(FrozenInlineMixin, TabularInline):
    model = WorkspaceMember
    fields = ("workspace", "role")
    verbose_name_plural = "workspaces"


@admin.register(User)
class UserAdmin(DjangoUserAdmin, BillingAdmin):
    """Only superusers give rights, and only they change an account that has some: whoever may
    change people could otherwise take a superuser's, by its address or its password."""

    form = UserChangeForm
    add_form = NewUserForm
    list_display = ("email", "name", "access", "is_active", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined", "second_factor")
    inlines = (MembershipInline,)
    fieldsets = (
        (None, {"fields": ("email", "name", "second_factor")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": ("email", "name", "is_staff", "groups"),
                "description": "They are mailed a link to set a password.",
            },
        ),
    )
    filter_horizontal = ()
    autocomplete_fields = ("groups",)
    actions_detail = ("mail_link", "reset_second_factor")

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if getattr(request.user, "is_superuser", False):
            return self.readonly_fields
        return (*self.readonly_fields, *_RIGHTS)

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change:
            owe_password_link(user=obj, now=clock.now())

    def user_change_password(
        self, request: HttpRequest, id: str, form_url: str = ""
    ) -> HttpResponse:
        """One's own is changed under one's own name; others get a link."""
        raise PermissionDenied

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

    def has_link_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        person = User.objects.filter(pk=object_id, is_active=True).first()
        return person is not None and self.has_change_permission(request, person)

    def has_reset_permission(self, request: HttpRequest, object_id: Any = None) -> bool:
        person = User.objects.filter(pk=object_id).exclude(pk=request.user.pk or 0).first()
        return (
            person is not None
            and self.has_change_permission(request, person)
            and second_factor.is_enrolled(person)
        )

    @asking(
        "Mail a link to set a password",
        icon="mail",
        permission="link",
        title="Mail the link?",
        text="It works once, and only who has the mailbox gets it.",
        submit="Mail it",
    )
    def mail_link(self, request: HttpRequest, person: User, form: Any) -> str:
        owe_password_link(user=person, now=clock.now())
        return f"A link is on its way to {person.email}."

    @asking(
        "Reset the second factor",
        icon="lock_reset",
        permission="reset",
        variant=ActionVariant.DANGER,
        title="Reset the second factor?",
        text="Make sure that it is really they who ask, not by e-mail. They are signed out; app,"
        " passkeys and recovery codes are gone, and they set up others when they sign in.",
        submit="Reset",
        form_class=AuditedReasonForm,
    )
    def reset_second_factor(self, request: HttpRequest, person: User, form: Any) -> str:
        second_factor.reset(
            user=person, by=User.objects.get(pk=request.user.pk or 0), now=clock.now()
        )
        return f"The second factor of {person.email} is reset."

    @display(description="Second factor")
    def second_factor(self, user: User) -> str:
        return second_factor.described(user)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and _may_touch(request, obj)

    @display(description="Access", label={"Superuser": "danger", "Staff": "info"})
    def access(self, user: User) -> str:
        if user.is_superuser:
            return "Superuser"
        return "Staff" if user.is_staff else ""

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        return self.inlines if obj else ()


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, BillingAdmin):
    """Rights come from groups: only superusers change them."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return bool(getattr(request.user, "is_superuser", False))


@admin.register(LogEntry)
class LogEntryAdmin(FrozenAdmin):
    """Who did what in the admin."""

    list_display = ("action_time", "user", "object_repr", "content_type", "message")
    list_filter = ("action_flag", "content_type")
    search_fields = ("object_repr", "user__email")
    list_select_related = ("user", "content_type")
    ordering = ("-action_time",)

    @display(description="What")
    def message(self, entry: LogEntry) -> str:
        return entry.get_change_message()
