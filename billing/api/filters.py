"""Strict filters of API lists: a query parameter is known and readable, or refused by name."""

import datetime as dt
import re
from typing import TYPE_CHECKING, Any
from uuid import UUID

import django_filters
from django import forms
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.request import Request

from billing.api.fields import aware_time, exact_uuid
from billing.api.problems import InvalidParameters
from billing.decimals import NotExact
from billing.text import UnfitText, provider_key

if TYPE_CHECKING:  # its class body imports this module, by the settings
    from rest_framework.views import APIView

# Parameters of every list, read by the pagination.
_OF_LISTS = frozenset({"limit", "cursor"})


# Behind a time of day only: the space between date and time is another one.
_PLUS_AS_SPACE = re.compile(r"(\S+[Tt ]\d\d:\d\d\S*) (\d\d(?::?\d\d)?)")


class _ExactFormField(forms.CharField):
    """What `read` makes of the text, or why it cannot."""

    def read(self, text: str) -> Any:
        raise NotImplementedError

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        if not text:
            return None
        try:
            return self.read(text)
        except (NotExact, UnfitText) as error:
            raise forms.ValidationError(str(error)) from None


class AwareTimeFormField(_ExactFormField):
    def read(self, text: str) -> dt.datetime:
        match = _PLUS_AS_SPACE.fullmatch(text)
        return aware_time(f"{match[1]}+{match[2]}" if match else text)


class IdFormField(_ExactFormField):
    def read(self, text: str) -> UUID:
        return exact_uuid(text)


class ProviderFormField(_ExactFormField):
    def read(self, text: str) -> str:
        return provider_key(text)


class AwareTimeFilter(django_filters.Filter):
    """A time with an offset. A `+` that came unescaped, hence as a space, is understood."""

    field_class = AwareTimeFormField


class IdFilter(django_filters.UUIDFilter):
    """A UUID, and nothing that merely contains one."""

    field_class = IdFormField


class ProviderFilter(django_filters.CharFilter):
    """A provider by its name, in any case."""

    field_class = ProviderFormField


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
    """Raise `InvalidParameters` for query parameters that are not among the `known`, are empty, or
    stand there twice: each would answer with something else than was asked for."""
    given = request.query_params
    faults = {}
    for name in sorted(given):
        if name not in known:
            faults[name] = f"Unknown; known are {', '.join(sorted(known)) or 'none'}."
        elif len(given.getlist(name)) > 1:
            faults[name] = "Given more than once."
        elif not given[name].strip():
            faults[name] = "Empty; leave it out to ask for all."
    if faults:
        raise InvalidParameters(faults)
