"""Issuing entities: made and changed by finance, each with its own series of numbers."""

import hashlib

from billing.errors import Invalid
from billing.issuers import credit_note_series_of, series_of
from billing.logos import NotALogo, clean_logo
from billing.models import IssuingEntity


def check_series(series: str) -> None:
    """Raises `Invalid` where the issuer whom the settings name counts in it too."""
    own = series_of(None)
    if series in (own, credit_note_series_of(None)):
        raise Invalid(
            f"{own} is the series of the issuer whom the settings name.",
            field="series",
            code="series_in_use",
        )


def set_logo(entity: IssuingEntity, content: bytes) -> None:
    """Keep a picture for its documents, or none; raises `Invalid`. The caller saves."""
    try:
        entity.logo = clean_logo(content) if content else b""
    except NotALogo as error:
        raise Invalid(str(error), field="logo", code="not_a_logo") from None
    entity.logo_digest = hashlib.sha256(entity.logo).hexdigest() if entity.logo else ""
