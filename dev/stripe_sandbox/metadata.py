"""Metadata: at most 50 keys of 40 characters with values of 500."""

from typing import Any

from dev.stripe_sandbox.errors import malformed

MAX_KEYS = 50
MAX_KEY_LENGTH = 40
MAX_VALUE_LENGTH = 500


def merged(current: dict[str, str] | None, given: Any) -> dict[str, str]:
    """``current`` with ``given`` laid over it; an empty value unsets a key, ``""`` all keys."""
    if given == "":
        return {}
    result = dict(current or {})
    for key, value in (given or {}).items():
        _check_key(key)
        if value == "":
            result.pop(key, None)
            continue
        if len(value) > MAX_VALUE_LENGTH:
            raise malformed(
                f"Metadata values can have up to {MAX_VALUE_LENGTH} characters, but you passed in "
                f"a value that is {len(value)} characters. Invalid value: {value}",
                param=f"metadata[{key}]",
            )
        result[key] = value
    if len(result) > MAX_KEYS:
        raise malformed(
            f"Metadata can have up to {MAX_KEYS} keys. You passed {len(result)} keys.",
            param="metadata",
        )
    return result


def _check_key(key: str) -> None:
    if len(key) > MAX_KEY_LENGTH:
        raise malformed(
            f"Metadata keys can be up to {MAX_KEY_LENGTH} characters, but you passed in a key "
            f"that is {len(key)} characters. Invalid key: {key}",
            param="metadata",
        )
    if "[" in key or "]" in key:
        raise malformed(
            f"Metadata keys may not contain square brackets. Invalid key: {key}",
            param="metadata",
        )
