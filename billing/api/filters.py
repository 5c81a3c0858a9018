"""Strict filters of API lists: a query parameter is known and readable, or refused by name."""

import datetime as dt
import re
from typing import TYPE_CHECKING, Any

import django_filters
from django import forms
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request

from billing.api.fields import aware_time
from billing.api.problems import InvalidParameters
from billing.decimals import NotExact

if TYPE_CHECKING:  # its class body imports this module, by the settings
    from rest_framework.views import APIView

# Parameters of every list, read by the pagination.
_OF_LISTS = frozenset({"limit", "cursor"})


_PLUS_AS_SPACE = re.compile(r" (\d\d:\d\d)$")


class AwareTimeFormField(forms.CharField):
    def to_python(self, value: Any) -> dt.datetime | None:  # type: ignore[override]
        text = super().to_python(value)
        if not text:
            return None
        try:
            return aware_time(_PLUS_AS_SPACE.sub(r"+\1", text))
        except NotExact as error:
            raise forms.ValidationError(error.detail, code=error.code) from None


class AwareTimeFilter(django_filters.Filter):
    """A time with an offset. A `+` that came unescaped, hence as a space, is understood."""

    field_class = AwareTimeFormField


class FlagFilter(django_filters.TypedChoiceFilter):
    """`true` or `false`; django-filter's own takes every other word for neither."""

    def __init__(self, **kwargs: Any) -> None:
        choices = [("true", "true"), ("false", "false")]
        super().__init__(choices=choices, coerce=lambda text: text == "true", **kwargs)


class StrictFilterBackend(DjangoFilterBackend):
    """Like django-filter's, but an unknown parameter is an error too: a misspelt filter would
    otherwise answer with everything."""

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: "APIView"
    ) -> QuerySet[Any]:
        filterset = self.get_filterset(request, queryset, view)
        known = set(filterset.filters) if filterset is not None else set()
        check_parameters(request, known | _OF_LISTS)
        if filterset is None:
            return queryset
        if not filterset.is_valid():
            raise InvalidParameters(
                {name: " ".join(messages) for name, messages in filterset.errors.items()}
            )
        filtered: QuerySet[Any] = filterset.qs
        return filtered


def check_parameters(request: Request, known: set[str] | frozenset[str]) -> None:
    """Raise `InvalidParameters` for query parameters that are not among the `known`."""
    unknown = sorted(set(request.query_params) - known)
    if unknown:
        raise InvalidParameters(
            {name: f"Unknown; known are {', '.join(sorted(known)) or 'none'}." for name in unknown}
        )
