"""What a resource's handler is given: the store, the clock and the request it answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dev.stripe_sandbox.errors import missing
from dev.stripe_sandbox.shapes import blank
from dev.stripe_sandbox.store import Object, Store

API_VERSION = "2026-08-26.dahlia"


class Params(dict[str, Any]):
    """The parameters of a request, which remember the ones nobody asked for.

    What Stripe would act upon and a handler does not know must be refused, not ignored.
    """

    def __init__(self, values: dict[str, Any]) -> None:
        super().__init__(values)
        self.unused = set(values)

    def __getitem__(self, name: str) -> Any:
        self.unused.discard(name)
        return super().__getitem__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.unused.discard(name)
        return super().get(name, default)

    def __contains__(self, name: object) -> bool:
        self.unused.discard(str(name))
        return super().__contains__(name)


@dataclass(frozen=True)
class Upload:
    """A file of a request in `multipart/form-data`."""

    filename: str
    content: bytes


@dataclass
class Context:
    """One request. ``now`` is read once, from the sandbox's own clock (epoch seconds)."""

    store: Store
    now: int
    base_url: str
    request_id: str | None = None
    idempotency_key: str | None = None
    files: Mapping[str, Upload] = field(default_factory=dict)
    deliveries_queued: int = 0
    path_ids: list[str] = field(default_factory=list)

    def new(self, class_name: str, prefix: str, **values: Any) -> Object:
        """A blank of ``stripe.<class_name>`` with an id, not yet stored."""
        obj = blank(class_name)
        obj["id"] = self.store.new_id(prefix)
        if "created" in obj:
            obj["created"] = self.now
        obj.update(values)
        return obj

    def get(self, type: str, identifier: str, *, param: str = "id", what: str = "") -> Object:
        """The live object, or 404 (named by the path) / 400 (named by a parameter)."""
        found = self.store.find(identifier, type)
        if found is None or found.get("deleted"):
            status = 404 if identifier in self.path_ids and param == "id" else 400
            raise missing(what or type.replace("_", " "), identifier, param=param, status=status)
        return found
