"""Environment variables, typed and checked.

Each is read from `NAME`, or from the file that `NAME_FILE` names, as secrets are handed to
containers. What the file `.env` (or another, named by `ENV_FILE`) says counts where the
environment says nothing. A variable that is set to nothing counts as not set. What cannot be read
raises ImproperlyConfigured with one line that names the variable.
"""

import difflib
import ipaddress
import os
import re
import sys
from collections.abc import Iterable, Sequence
from decimal import Decimal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from dotenv import dotenv_values, load_dotenv
from environs import EnvError, FileAwareEnv, ValidationError, validate

_MAX_INTEGER = 2**31 - 1
# Programs that read their variables outside the settings; the launcher, the web server.
READ_ELSEWHERE = frozenset(
    "BIND_HOST ENV_FILE LOCAL_DIR PORT PROMETHEUS_MULTIPROC_DIR TASK_PROCESSES WEB_WORKERS".split()
)
# "STRIPE_TIMEOUT_SECOND" is one of ours misspelled, "STRIPE_CLI_PATH" somebody else's.
_ALIKE = 0.88
_SECRET = re.compile("SECRET|PASSWORD|TOKEN|DATABASE|REDIS|CACHE|DSN")


class _Environment(FileAwareEnv):
    def _get_value(self, env_key: str, default: Any) -> Any:
        try:
            value = super()._get_value(env_key, default)
        except ValueError:
            raise ImproperlyConfigured(
                f"{env_key}_FILE must name a file that can be read."
            ) from None
        if isinstance(value, str) and value is not default:
            value = value.strip() or default
        return value


_environment = _Environment()
_names: set[str] = set()
_file = Path(os.environ.get("ENV_FILE", Path(__file__).resolve().parent.parent / ".env"))
try:
    if _file.is_file():
        load_dotenv(_file)
    elif os.environ.get("ENV_FILE"):
        raise FileNotFoundError
except OSError:
    # Whatever program this is: without the file it would take other settings, another database.
    sys.exit(f"error: ENV_FILE names {_file}, which cannot be read.")
# Whether environment or file say which settings are meant, before a default is taken.
SETTINGS_ARE_NAMED = bool(os.environ.get("DJANGO_SETTINGS_MODULE"))


def text(name: str, default: str = "", *, form: str = "", wanted: str = "text") -> str:
    """`form` is a regular expression for its beginning, `wanted` the same in words."""
    matches = validate.Regexp(form)
    return str(_read(_environment.str, name, default, wanted, validate=matches))


def code(name: str, default: str, *, longest: int) -> str:
    """Capital letters, digits and hyphens."""
    wanted = f"1 to {longest} capital letters, digits or hyphens"
    return text(name, default, form=f"[A-Z0-9-]{{1,{longest}}}$", wanted=wanted)


def address(name: str, default: str) -> str:
    """A web server's, without a slash at the end."""
    form, wanted = r"https?://[^\s/?#]+", "an address that begins with http:// or https://"
    return text(name, default, form=form, wanted=wanted).rstrip("/")


def flag(name: str, default: bool) -> bool:
    return bool(_read(_environment.bool, name, default, "true or false"))


def integer(name: str, default: int, *, min: int = 0, max: int = _MAX_INTEGER) -> int:
    wanted = f"a whole number between {min} and {max}"
    between = validate.Range(min=min, max=max)
    return int(_read(_environment.int, name, default, wanted, validate=between))


def percentage(name: str, default: str) -> Decimal:
    wanted = "a percentage between 0 and 100"
    between = validate.Range(min=Decimal(0), max=Decimal(100))
    return Decimal(_read(_environment.decimal, name, Decimal(default), wanted, validate=between))


def csv(name: str, default: Sequence[str] = ()) -> list[str]:
    """A comma-separated list."""
    words = _read(_environment.list, name, list(default), "a list separated by commas")
    return [word.strip() for word in words if word.strip()]


def integers(name: str, default: Sequence[int]) -> list[int]:
    """A comma-separated list of whole, possibly negative, numbers."""
    wanted = "whole numbers separated by commas"
    return list(_read(_environment.list, name, list(default), wanted, subcast=int))


def networks(
    name: str, default: Sequence[str]
) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    """A comma-separated list of addresses and networks."""
    wanted = "addresses or networks separated by commas, as 10.0.0.0/8"
    found = _read(_environment.list, name, list(default), wanted, subcast=ipaddress.ip_network)
    return [ipaddress.ip_network(each) for each in found]


def pairs(name: str, default: dict[str, str]) -> dict[str, str]:
    """A comma-separated list of `key=value`."""
    wanted = "key=value pairs separated by commas"
    return dict(_read(_environment.dict, name, default, wanted, validate=_have_both))


def is_set(name: str) -> bool:
    """Whether the variable says anything, by itself or by its file."""
    return bool(_environment.str(name, ""))


def names_like(form: str) -> list[str]:
    """The variables that are set and whose whole name is of this form, by a file or not."""
    found = {name.removesuffix("_FILE") for name in os.environ if os.environ[name].strip()}
    return sorted(name for name in found if re.fullmatch(form, name))


def require(names: Iterable[str]) -> None:
    """Raise ImproperlyConfigured naming every one of them that is not set."""
    missing = [name for name in names if not is_set(name)]
    if missing:
        raise ImproperlyConfigured(f"not set, but needed in production: {', '.join(missing)}.")


def require_settings() -> None:
    """Read Django's settings; end this process with one line where one of them is wrong."""
    try:
        settings.INSTALLED_APPS  # noqa: B018 - reads them all
    except ImproperlyConfigured as error:
        sys.exit(f"error: {error}")


def require_settings_apart() -> None:
    """As `require_settings`, in a process of its own: this one has read none of them then."""
    reading = get_context("fork").Process(target=require_settings)
    reading.start()
    reading.join()
    if reading.exitcode:
        sys.exit(reading.exitcode)


def refuse_unknown() -> None:
    """Once all settings are read: whatever looks like one of them, but is none, is a mistake."""
    known = {each for name in _names | READ_ELSEWHERE for each in (name, f"{name}_FILE")}
    own = set(dotenv_values(_file)) if _file.is_file() else set[str]()
    for name in sorted((own | os.environ.keys()) - known - {"DJANGO_SETTINGS_MODULE"}):
        meant = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
        if meant or name in own:
            hint = f"; did you mean {meant[0]}?" if meant else f" of this project (in {_file})."
            raise ImproperlyConfigured(f"{name} is no setting{hint}")


def _have_both(pairs: dict[str, str]) -> None:
    if not all(key and value for key, value in pairs.items()):
        raise ValidationError("a key or a value is empty")


def _read(parse: Any, name: str, default: Any, wanted: str, **how: Any) -> Any:
    _names.add(name)
    try:
        return parse(name, default, **how)
    except (EnvError, ValueError):
        given = "" if _SECRET.search(name) else os.environ.get(name, "").strip()
        but = f", not {given!r}." if given else "."
        raise ImproperlyConfigured(f"{name} must be {wanted}{but}") from None
