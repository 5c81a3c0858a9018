"""Admin pages of users, groups and the admin's own log."""

from typing import Any

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.http import HttpRequest
from unfold.admin import TabularInline
from unfold.decorators import display
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

from billing.admin.base import BillingAdmin, FrozenAdmin, FrozenInlineMixin
from billing.models import User, WorkspaceMember

admin.site.unregister(Group)


class NewUserForm(UserCreationForm):
    class Meta:
        model = User
        fields = ("email", "name")

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).strip().lower()


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
    change_password_form = AdminPasswordChangeForm
    list_display = ("email", "name", "access", "is_active", "last_login")
    list_filter = ("is_staff", "is_superuser", "is_active", "groups")
    search_fields = ("email", "name")
    ordering = ("email",)
    readonly_fields = ("last_login", "date_joined")
    inlines = (MembershipInline,)
    fieldsets = (
        (None, {"fields": ("email", "name", "password")}),
        ("Access", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("Dates", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = ((None, {"fields": ("email", "name", "password1", "password2")}),)
    filter_horizontal = ()
    autocomplete_fields = ("groups",)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> Any:
        if getattr(request.user, "is_superuser", False):
            return self.readonly_fields
        return (*self.readonly_fields, *_RIGHTS)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_change_permission(request, obj) and _may_touch(request, obj)

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
