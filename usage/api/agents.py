"""API views of voice agents, which internal services make and change."""

from uuid import UUID

import django_filters
from django.db.models import QuerySet
from django.utils import timezone as clock
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.access import may_see, visible, visible_or_404
from billing.api.filters import IdFilter
from billing.api.views import ApiView
from billing.errors import Invalid
from billing.models import Workspace
from usage.api.serializers import AgentSerializer, NewAgentSerializer
from usage.models import VoiceAgent
from usage.services import agents

_READ = ("workspaces:write", "usage:read")


class AgentFilter(django_filters.FilterSet):
    workspace_id = IdFilter()
    status = django_filters.ChoiceFilter(choices=VoiceAgent.Status.choices)
    paused_reason = django_filters.ChoiceFilter(choices=VoiceAgent.PausedReason.choices)


class AgentList(ApiView, ListAPIView):
    """Voice agents, newest first."""

    required_scopes = {"GET": _READ, "POST": "workspaces:write"}
    lists = True
    queryset = VoiceAgent.objects.all()
    serializer_class = AgentSerializer
    filterset_class = AgentFilter
    ordering = ("-created_at", "-id")

    def get_queryset(self) -> "QuerySet[VoiceAgent]":
        return visible(super().get_queryset(), self.request)

    @extend_schema(
        description="Makes an agent. The same id and facts again answer 200 and what is stored. One"
        " made live while its workspace may not take calls starts paused.",
        request=NewAgentSerializer,
        responses={200: AgentSerializer, 201: AgentSerializer},
    )
    def post(self, request: Request) -> Response:
        facts = self.read(NewAgentSerializer)
        workspace_id: UUID = facts["workspace_id"]
        known = Workspace.objects.filter(pk=workspace_id).exists()
        if not known or not may_see(request, workspace_id):
            raise Invalid(
                f"There is no workspace {workspace_id}.",
                field="workspace_id",
                code="unknown_workspace",
            )
        agent, created = agents.create_agent(agent_id=facts.pop("id"), now=clock.now(), **facts)
        return Response(
            AgentSerializer(agent).data,
            status=201 if created else 200,
            headers={"Location": request.build_absolute_uri(f"{request.path}{agent.pk}/")},
        )


class AgentDetail(ApiView):
    """One agent. Pausing is by hand; going live yields to usage limit and suspension."""

    required_scopes = {"GET": _READ, "PATCH": "workspaces:write"}
    serializer_class = AgentSerializer

    def get(self, request: Request, agent_id: UUID) -> Response:
        return Response(AgentSerializer(self._agent(agent_id)).data)

    def patch(self, request: Request, agent_id: UUID) -> Response:
        stored = self._agent(agent_id)
        agent = agents.update_agent(
            agent_id=stored.pk,
            changes=self.read(AgentSerializer, partial=True, stored=stored),
            now=clock.now(),
        )
        return Response(AgentSerializer(agent).data)

    def _agent(self, agent_id: UUID) -> VoiceAgent:
        return visible_or_404(VoiceAgent.objects.all(), self.request, pk=agent_id)
