"""API views of workspaces, their billing settings and their members."""

from typing import Any
from uuid import UUID

import django_filters
from django.db.models import OuterRef, QuerySet, Subquery
from django.utils import timezone as clock
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import visible, visible_or_404
from billing.api.callers import require_scope
from billing.api.serializers import (
    BillingSettingsSerializer,
    MemberSerializer,
    NewMemberSerializer,
    NewWorkspaceSerializer,
    RoleSerializer,
    WorkspaceSerializer,
)
from billing.api.views import ApiView
from billing.errors import BillingError
from billing.models import ServiceKey, Workspace, WorkspaceBillingSettings, WorkspaceMember
from billing.services import members, workspaces

# Whoever works with a workspace may look at it.
_READ = ("workspaces:write", "terms:write", "usage:read", "billing:read")
# What a workspace is sold on, beside its billing settings.
_TERMS = frozenset({"tier", "status", "tax_status", "tax_exemption", "issuing_entity"})


_NEW_ACME = OpenApiExample(
    "Acme, in Berlin, billed in dollars",
    {
        "id": "11111111-1111-4111-8111-111111111111",
        "name": "Acme",
        "owner_email": "owner@acme.test",
        "tier": "starter",
        "currency": "USD",
        "timezone": "Europe/Berlin",
    },
    request_only=True,
)


class KeyIsBound(BillingError):
    status = 403
    code = "key_is_bound"


class WorkspaceListFilter(django_filters.FilterSet):
    status = django_filters.ChoiceFilter(choices=Workspace.Status.choices)
    currency = django_filters.CharFilter(max_length=3)
    tier = django_filters.CharFilter(field_name="tier__name", max_length=40)


def _with_owner(queryset: "QuerySet[Workspace]") -> "QuerySet[Workspace]":
    owners = WorkspaceMember.objects.filter(
        workspace=OuterRef("pk"), role=WorkspaceMember.Role.OWNER
    ).order_by("pk")
    return queryset.select_related("tier", "issuing_entity").annotate(
        owner_email=Subquery(owners.values("user__email")[:1])
    )


class WorkspaceList(ApiView, ListAPIView):
    """Workspaces, newest first."""

    required_scopes = {"GET": _READ, "POST": "workspaces:write"}
    lists = True
    queryset = Workspace.objects.all()
    serializer_class = WorkspaceSerializer
    filterset_class = WorkspaceListFilter
    ordering = ("-created_at", "-id")

    def get_queryset(self) -> "QuerySet[Workspace]":
        return visible(_with_owner(super().get_queryset()), self.request, workspace="pk")

    @extend_schema(
        description="Makes a workspace with its owner. The same id and facts again answer 200 and"
        " what is stored; other facts are refused (409 `already_exists`).",
        request=NewWorkspaceSerializer,
        responses={200: WorkspaceSerializer, 201: WorkspaceSerializer},
        examples=[_NEW_ACME],
    )
    def post(self, request: Request) -> Response:
        facts = self.read(NewWorkspaceSerializer)
        workspace_id: UUID | None = facts.pop("id")
        bound_to = request.auth.workspace_id if isinstance(request.auth, ServiceKey) else None
        if bound_to is not None and bound_to != workspace_id:
            raise KeyIsBound(f"This key is bound to workspace {bound_to} and makes no others.")
        workspace, created = workspaces.create_workspace(
            workspace_id=workspace_id, now=clock.now(), **facts
        )
        return Response(
            _shown(request, workspace.pk),
            status=201 if created else 200,
            headers={"Location": request.build_absolute_uri(f"{request.path}{workspace.pk}/")},
        )


class WorkspaceDetail(ApiView):
    """One workspace. Its timezone and currency are fixed once usage is recorded in them."""

    required_scopes = {"GET": _READ, "PATCH": ("workspaces:write", "terms:write")}
    serializer_class = WorkspaceSerializer

    def get(self, request: Request, workspace_id: UUID) -> Response:
        return Response(_shown(request, workspace_id))

    @extend_schema(
        description="Changes what is named. `tier`, `status`, `tax_status`, `tax_exemption` and"
        " `issuing_entity` are commercial terms and need the scope `terms:write`, everything else"
        " `workspaces:write`."
    )
    def patch(self, request: Request, workspace_id: UUID) -> Response:
        workspace = visible_or_404(
            _with_owner(Workspace.objects.all()), request, workspace="pk", pk=workspace_id
        )
        changes = self.read(WorkspaceSerializer, partial=True, stored=workspace)
        card_stays = changes.pop("card_stays", False)
        if "tier" in changes:
            changes["tier"] = changes["tier"]["name"]
        if "issuing_entity" in changes:
            given = changes["issuing_entity"]
            changes["issuing_entity"] = given["code"] if given else None
        now_stored = WorkspaceSerializer(workspace).data
        changed = {name for name, value in changes.items() if value != now_stored[name]}
        if isinstance(request.auth, ServiceKey):  # members only read
            if changed & _TERMS:
                require_scope(request.auth, "terms:write")
            if changed - _TERMS:
                require_scope(request.auth, "workspaces:write")
        workspaces.update_workspace(
            workspace_id=workspace.pk, changes=changes, now=clock.now(), card_stays=card_stays
        )
        return Response(_shown(request, workspace_id))


def _shown(request: Request, workspace_id: UUID) -> dict[str, Any]:
    workspace = visible_or_404(
        _with_owner(Workspace.objects.all()), request, workspace="pk", pk=workspace_id
    )
    return dict(WorkspaceSerializer(workspace).data)


class BillingSettings(ApiView):
    """The terms of one workspace: limit, alert, markup, collection."""

    required_scopes = {
        "GET": ("workspaces:write", "terms:write", "billing:read"),
        "PUT": "terms:write",
        "PATCH": "terms:write",
    }
    serializer_class = BillingSettingsSerializer

    def get(self, request: Request, workspace_id: UUID) -> Response:
        return Response(BillingSettingsSerializer(self._settings(workspace_id)).data)

    def put(self, request: Request, workspace_id: UUID) -> Response:
        """Sets the terms given; terms left out stay as they are."""
        stored = self._settings(workspace_id)
        settings = workspaces.update_billing_settings(
            workspace_id=workspace_id,
            changes=self.read(BillingSettingsSerializer, partial=True, stored=stored),
            now=clock.now(),
        )
        return Response(BillingSettingsSerializer(settings).data)

    patch = put

    def _settings(self, workspace_id: UUID) -> WorkspaceBillingSettings:
        workspace = visible_or_404(
            Workspace.objects.select_related("billing_settings"),
            self.request,
            workspace="pk",
            pk=workspace_id,
        )
        return workspace.billing_settings


class MemberList(ApiView, ListAPIView):
    """People who may sign in and see the workspace, in the order they were added."""

    required_scopes = {"GET": ("workspaces:write", "billing:read"), "POST": "workspaces:write"}
    lists = True
    queryset = WorkspaceMember.objects.none()  # for the schema
    serializer_class = MemberSerializer
    ordering = ("created_at", "id")

    def get_queryset(self) -> "QuerySet[WorkspaceMember]":
        return WorkspaceMember.objects.filter(workspace=self._workspace()).select_related("user")

    @extend_schema(
        description="Adds a person by e-mail address. One who is a member already gets the role,"
        " where the request names one.",
        request=NewMemberSerializer,
        responses={200: MemberSerializer, 201: MemberSerializer},
    )
    def post(self, request: Request, workspace_id: UUID) -> Response:
        workspace = self._workspace()
        facts = self.read(NewMemberSerializer)
        member, created = members.set_member(workspace=workspace, **facts)
        return Response(MemberSerializer(member).data, status=201 if created else 200)

    def _workspace(self) -> Workspace:
        return visible_or_404(
            Workspace.objects.all(), self.request, workspace="pk", pk=self.kwargs["workspace_id"]
        )


class MemberDetail(ApiView):
    """One member. A workspace keeps at least one owner (409 `last_owner`)."""

    required_scopes = {
        "GET": ("workspaces:write", "billing:read"),
        "PATCH": "workspaces:write",
        "DELETE": "workspaces:write",
    }
    serializer_class = MemberSerializer

    def get(self, request: Request, workspace_id: UUID, member_id: UUID) -> Response:
        return Response(MemberSerializer(self._member()).data)

    @extend_schema(request=RoleSerializer, responses=MemberSerializer)
    def patch(self, request: Request, workspace_id: UUID, member_id: UUID) -> Response:
        """Changes the role."""
        member = self._member()
        role = self.read(RoleSerializer, partial=True).get("role")
        member, _ = members.set_member(
            workspace=member.workspace, email=member.user.email, role=role
        )
        return Response(MemberSerializer(member).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, workspace_id: UUID, member_id: UUID) -> Response:
        """Takes the person's access away."""
        members.remove_member(member=self._member())
        return Response(status=204)

    def _member(self) -> WorkspaceMember:
        return visible_or_404(
            WorkspaceMember.objects.select_related("user", "workspace"),
            self.request,
            workspace_id=self.kwargs["workspace_id"],
            pk=self.kwargs["member_id"],
        )
