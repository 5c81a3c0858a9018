"""Files: uploaded as multipart/form-data, kept by their name, size and purpose."""

from typing import Any

from dev.stripe_sandbox.context import Context
from dev.stripe_sandbox.errors import invalid
from dev.stripe_sandbox.lists import equals, page
from dev.stripe_sandbox.router import route
from dev.stripe_sandbox.store import Object

# Of evidence, as Stripe takes it: the beginning of the file, its type, and the most bytes.
_TYPES = {b"%PDF-": "pdf", b"\x89PNG\r\n\x1a\n": "png", b"\xff\xd8\xff": "jpg"}
_MAX_BYTES = 5 * 1024 * 1024


@route("POST", "/v1/files", "FileCreateParams")
def create(ctx: Context, params: dict[str, Any]) -> Object:
    purpose = params["purpose"]
    upload = ctx.files.get("file")
    params.get("file")
    if upload is None:
        raise invalid("The file is to be sent as multipart/form-data.", param="file")
    kind = next((name for start, name in _TYPES.items() if upload.content.startswith(start)), None)
    if kind is None:
        raise invalid("It is no PDF, PNG or JPEG file.", param="file")
    if len(upload.content) > _MAX_BYTES:
        raise invalid("It is larger than 5 MB.", param="file")
    file = ctx.new(
        "File",
        "file",
        filename=upload.filename,
        purpose=purpose,
        size=len(upload.content),
        title=None,
        type=kind,
    )
    ctx.store.insert(file)
    return file


@route("GET", "/v1/files/{id}", "FileRetrieveParams")
def retrieve(ctx: Context, params: dict[str, Any], identifier: str) -> Object:
    return ctx.get("file", identifier)


@route("GET", "/v1/files", "FileListParams")
def listed(ctx: Context, params: dict[str, Any]) -> Object:
    return page(ctx, "file", params, url="/v1/files", keep=equals(params, "purpose"))
