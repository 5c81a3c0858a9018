"""The European Commission's register of VAT numbers (VIES), asked over HTTP.

https://ec.europa.eu/taxation_customs/vies/#/technical-information; each member state answers for
its own numbers, and any of them may be down for hours.
"""

import json
import re
from typing import Any, NamedTuple
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from django.conf import settings

from billing.outage import Outage

VIES = Outage("VIES")
_LONGEST_ANSWER = 64 * 1024
# What it says where a number cannot be valid, in place of an answer.
_NO_NUMBER = frozenset(["INVALID_INPUT"])


class ViesUnavailable(Exception):
    """No answer now: asking again later may help."""


class Answer(NamedTuple):
    valid: bool
    reference: str
    name: str
    address: str


def ask(number: str, *, requester: str = "") -> Answer:
    """Whether `number`, with its country's prefix, is valid. Raises `ViesUnavailable`.

    With a `requester`'s own VAT number the answer has a reference that proves the check.
    """
    body: dict[str, str] = {"countryCode": number[:2], "vatNumber": number[2:]}
    if requester:
        body["requesterMemberStateCode"] = requester[:2]
        body["requesterNumber"] = requester[2:]
    answer = _post("/check-vat-number", body)
    problem = answer.get("userError") or answer.get("errorWrappers")
    said = _error_of(problem) if problem else ""
    if said not in ("", "VALID", "INVALID", *_NO_NUMBER):
        raise ViesUnavailable(f"VIES says {said}.")
    valid = False if said in _NO_NUMBER else answer.get("valid")
    if not isinstance(valid, bool):
        # To be taken for one that is not valid, a number has to be said to be none.
        raise ViesUnavailable("VIES does not say whether the number is valid.")
    return Answer(
        valid,
        _text(answer, "requestIdentifier", 100),
        _text(answer, "name", 300),
        _text(answer, "address", 500),
    )


def _error_of(problem: Any) -> str:
    if isinstance(problem, list) and problem and isinstance(problem[0], dict):
        return str(problem[0].get("error", "an error"))[:100]
    return str(problem)[:100]


def _text(answer: dict[str, Any], name: str, longest: int) -> str:
    text = str(answer.get(name) or "")
    text = re.sub(r"[\x00-\x09\x0b-\x1f]", " ", text).strip()
    return "" if text == "---" else text[:longest]


def _post(path: str, body: dict[str, str]) -> dict[str, Any]:
    request = Request(  # noqa: S310 - the setting is an address of the web, which it checks
        settings.VIES_URL + path,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", "Accept": "application/json"},
        method="POST",
    )
    try:
        with (
            VIES.asking(),
            urlopen(request, timeout=settings.VIES_TIMEOUT_SECONDS) as response,  # noqa: S310
        ):
            answer = json.loads(response.read(_LONGEST_ANSWER))
    except HTTPError as error:
        raise ViesUnavailable(f"VIES answers {error.code}.") from None
    except (URLError, OSError, ValueError) as error:
        raise ViesUnavailable(f"VIES does not answer: {error}") from None
    if not isinstance(answer, dict):
        raise ViesUnavailable("VIES answers something that is no answer.")
    return answer
