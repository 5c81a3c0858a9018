"""Who pays by a rate card, and from when."""

from uuid import UUID

from django.utils import timezone as clock
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from billing.api.fields import DayField, PlainTextField
from billing.api.rate_cards import CardView
from billing.api.rates import EndSerializer
from billing.api.serializers import StrictSerializer
from billing.errors import NotFound
from billing.models import RateCardAssignment
from billing.services import price_assignments


class NewAssignmentSerializer(StrictSerializer):
    workspace_id = serializers.UUIDField(required=False, allow_null=True, default=None)
    tier = PlainTextField(required=False, allow_null=True, default=None, max_length=40)
    starts_on = DayField()
    ends_on = DayField(required=False, allow_null=True, default=None, help_text="Exclusive.")


class AssignmentSerializer(serializers.Serializer):
    id = serializers.UUIDField()
    rate_card_id = serializers.UUIDField(source="card_id")
    workspace_id = serializers.UUIDField(allow_null=True)
    tier = serializers.CharField(source="tier.name", allow_null=True, default=None)
    currency = serializers.CharField()
    starts_on = serializers.DateField()
    ends_on = serializers.DateField(allow_null=True)


class AssignmentsSerializer(serializers.Serializer):
    results = AssignmentSerializer(many=True)


class AssignmentList(CardView):
    """Who uses a card, and from when."""

    @extend_schema(responses=AssignmentsSerializer)
    def get(self, request: Request, card_id: UUID) -> Response:
        uses = self.card(card_id).assignments.select_related("tier")
        return Response({"results": AssignmentSerializer(uses, many=True).data})

    @extend_schema(
        description="Has a workspace pay by the card, or every workspace of a tier that pays in"
        " its currency.",
        request=NewAssignmentSerializer,
        responses={201: AssignmentSerializer},
    )
    def post(self, request: Request, card_id: UUID) -> Response:
        self.card(card_id)
        use = price_assignments.assign_card(
            card_id=card_id, now=clock.now(), **self.read(NewAssignmentSerializer)
        )
        return Response(AssignmentSerializer(use).data, status=201)


class AssignmentDetail(CardView):
    @extend_schema(request=EndSerializer, responses=AssignmentSerializer)
    def patch(self, request: Request, card_id: UUID, assignment_id: UUID) -> Response:
        """Ends the use of a card by somebody."""
        if not self.card(card_id).assignments.filter(pk=assignment_id).exists():
            raise NotFound("There is no such assignment.")
        use = price_assignments.end_assignment(
            assignment_id=assignment_id, now=clock.now(), **self.read(EndSerializer)
        )
        assert isinstance(use, RateCardAssignment)
        return Response(AssignmentSerializer(use).data)
