"""Request parsers of the API."""

from collections.abc import Mapping
from typing import Any

from rest_framework.parsers import BaseParser

from billing.api import exactjson
from billing.api.bodies import read_body


class ExactJSONParser(BaseParser):
    """`application/json` by `exactjson.loads`: no floats, no repeated names, bounded size."""

    media_type = "application/json"

    def parse(
        self, stream: Any, media_type: str | None = None, parser_context: Mapping | None = None
    ) -> Any:
        return exactjson.loads(read_body(stream))
