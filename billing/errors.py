"""Errors of broken rules: each with a stable code, an HTTP status and the field it is about.

The API answers them as problem+json, pages and admin show `detail`, commands print it.
"""


class BillingError(Exception):
    """A rule that the request breaks; nothing was changed."""

    status = 400
    code = "invalid"

    def __init__(self, detail: str, *, field: str | None = None, code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        if code is not None:
            self.code = code


class Invalid(BillingError):
    """A value that is not acceptable, with the field that holds it."""


class NotFound(BillingError):
    status = 404
    code = "not_found"


class Conflict(BillingError):
    """The request is fine, but not in the present state."""

    status = 409
    code = "conflict"


class SecondPersonNeeded(Conflict):
    """Who has asked for something, or signed it, does not agree to it too."""

    code = "second_person_needed"
