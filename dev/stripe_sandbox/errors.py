"""Stripe's error shape: ``{"error": {"type", "code", "message", "param"}}``."""

from typing import Any


class ApiError(Exception):
    """An answer that is an error.

    ``saved`` says whether the idempotency layer keeps it under the request's key: Stripe keeps
    what an endpoint answered once it began to execute, and forgets refusals before that.
    ``keep_effects`` says whether what the request wrote stands all the same (a declined card
    leaves a failed charge behind).
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        saved: bool = True,
        keep_effects: bool = False,
        **extra: Any,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.saved = saved
        self.keep_effects = keep_effects
        self.error: dict[str, Any] = {"type": type, "message": message}
        if code:
            self.error["code"] = code
            self.error["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        if param:
            self.error["param"] = param
        self.error.update({name: value for name, value in extra.items() if value is not None})

    def body(self) -> dict[str, Any]:
        return {"error": self.error}


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    """A request that is well-formed but not allowed (400)."""
    return ApiError(400, message, param=param, code=code)


def malformed(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    """Parameters that fail validation (400); never saved under an idempotency key."""
    return ApiError(400, message, param=param, code=code, saved=False)


def missing(what: str, identifier: object, *, param: str = "id", status: int = 400) -> ApiError:
    """No object of that id: 404 when the path names it, 400 when a parameter does."""
    return ApiError(status, f"No such {what}: '{identifier}'", code="resource_missing", param=param)


def refuse_unsupported(params: dict[str, Any], *names: str) -> None:
    """Say so rather than ignore what Stripe would act upon and the sandbox does not model."""
    for name in names:
        value = params.get(name)
        if value not in (None, "", [], {}) and not _switched_off(value):
            raise ApiError(
                400, f"The Stripe sandbox does not support '{name}'.", param=name, saved=False
            )


def _switched_off(value: Any) -> bool:
    return isinstance(value, dict) and value.get("enabled") is False
