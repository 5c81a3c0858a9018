"""Everything that is kept of one workspace, as files: what its owner may ask for.

The models say by themselves what belongs to a workspace: what refers to it, and what refers to
that. A model that is added later is in the next export without a word here.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from django.apps import apps
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models

from billing.models import User, Workspace

# What lets somebody in, and the work of our own that says nothing of the workspace.
_SECRET = {"digest", "password", "secret", "mac", "lease_token", "session_key"}
_SECRET |= {"webhook_url", "webhook_secret"}
_NOT_ITS_OWN = {"usage.sealfingerprints", "billing.session"}


def export_workspace(*, workspace_id: UUID, directory: Path) -> dict[str, int]:
    """Write `<table>.ndjson` for each kind of rows, a JSON object a line; how many of each.

    Decimals and times are text, exact. Raises OSError.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = {}
    for model, path in models_of_workspaces():
        rows = model._default_manager.filter(**{path: workspace_id}).order_by("pk")
        names = [field.attname for field in model._meta.concrete_fields]
        names = [name for name in names if name not in _SECRET]
        file = directory / f"{model._meta.db_table}.ndjson"
        with file.open("w", encoding="utf-8") as lines:
            count = 0
            for row in rows.values(*names).iterator(chunk_size=2000):
                lines.write(json.dumps(row, cls=_Encoder, ensure_ascii=False) + "\n")
                count += 1
        if count:
            written[file.name] = count
        else:
            file.unlink()
    return written


def models_of_workspaces() -> Iterator[tuple[type[models.Model], str]]:
    """Each model whose rows belong to one workspace, and the look-up that leads there."""
    found: dict[type[models.Model], str] = {Workspace: "pk"}
    ours = [
        model
        for model in apps.get_models()
        if model.__module__.split(".")[0] in ("billing", "usage", "invoices", "analytics")
        and model._meta.label_lower not in _NOT_ITS_OWN
    ]
    found[User] = "memberships__workspace"
    while True:
        more = {
            model: path
            for model in ours
            if model not in found and (path := _path_of(model, found)) is not None
        }
        if not more:
            return iter(sorted(found.items(), key=lambda each: each[0]._meta.label_lower))
        found |= more


def _path_of(model: type[models.Model], found: dict[type[models.Model], str]) -> str | None:
    for field in model._meta.concrete_fields:
        if field.name == "workspace" or field.attname == "workspace_id":
            return field.attname
    for field in model._meta.concrete_fields:
        owner = field.related_model
        # A person is in several workspaces: what is theirs is not one workspace's.
        if isinstance(owner, type) and owner in found and owner not in (User, model):
            return f"{field.name}__{found[owner]}"
    return None


class _Encoder(DjangoJSONEncoder):
    def default(self, value: Any) -> Any:
        if isinstance(value, (bytes, memoryview)):
            return bytes(value).hex()
        return super().default(value)
