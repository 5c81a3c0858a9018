"""Files and locks by which processes that share an embedded server find each other.

All lie in `LOCAL_DIR/run`, one set a server:

- `<name>.holders`: each process that uses the server holds a shared lock on it.
  The kernel drops the lock with the process, however it ends.
- `<name>.keeper`: the one process that started the server, and will stop it,
  holds an exclusive lock.
- `<name>.json`: the server's address; it exists while the server can be used.
- `<name>.error`: why the keeper gave up.
"""

import fcntl
import hashlib
import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from dev.embedded.errors import EmbeddedServiceError

# sockaddr_un holds 108 bytes on Linux and 104 on macOS, with the final NUL.
MAX_SOCKET_PATH = 103


@dataclass(frozen=True)
class ServiceFiles:
    """Where the server called `name` keeps its locks and its log below `local_dir`."""

    local_dir: Path
    name: str

    def _run(self, suffix: str) -> Path:
        return self.local_dir / "run" / f"{self.name}.{suffix}"

    @property
    def holders(self) -> Path:
        return self._run("holders")

    @property
    def keeper(self) -> Path:
        return self._run("keeper")

    @property
    def address(self) -> Path:
        return self._run("json")

    @property
    def error(self) -> Path:
        return self._run("error")

    @property
    def log(self) -> Path:
        return self.local_dir / "log" / f"{self.name}.log"


def make_local_dir(local_dir: Path) -> None:
    """Create `local_dir` with its `run` and `log`, which only the owner may enter.

    For root `local_dir` itself can be passed through (not listed): PostgreSQL
    then runs as another account and has its data below.
    """
    try:
        if not local_dir.exists():
            local_dir.mkdir(parents=True)
            local_dir.chmod(0o711 if os.geteuid() == 0 else 0o700)
        for name in ("run", "log"):
            (local_dir / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise EmbeddedServiceError(
            f"cannot write to {local_dir}: {error.strerror}. "
            "Set LOCAL_DIR to a directory of your own."
        ) from error
    if not os.access(local_dir / "run", os.W_OK | os.X_OK):
        raise EmbeddedServiceError(
            f"{local_dir} belongs to another user. Set LOCAL_DIR to a directory of your own."
        )


def open_lock(path: Path) -> IO[bytes]:
    """Open a lock file. Not inherited across exec, but shared by forked children."""
    try:
        return open(path, "ab", opener=lambda name, flags: os.open(name, flags, 0o600))
    except OSError as error:
        raise EmbeddedServiceError(f"cannot write to {path.parent}: {error.strerror}.") from error


def try_lock(file: IO[bytes], *, exclusive: bool) -> bool:
    """Take the lock if nobody stands in the way."""
    try:
        fcntl.flock(file, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_locked_exclusively(path: Path) -> bool:
    """Whether some process holds the exclusive lock on `path`."""
    with open_lock(path) as file:
        return not try_lock(file, exclusive=False)


def socket_directory(preferred: Path, socket_name: str) -> Path:
    """Return `preferred`, or a short private directory when the socket's path would be too long.

    The short one is named after `preferred`, so every process finds the same.
    Creating it is up to the caller; see `make_private`.
    """
    if len(os.fsencode(preferred / socket_name)) <= MAX_SOCKET_PATH:
        return preferred
    digest = hashlib.sha256(os.fsencode(preferred)).hexdigest()[:16]
    runtime_dir = os.environ.get("XDG_RUNTIME_DIR", "")
    # Root serves other accounts, which cannot enter root's runtime directory.
    if os.geteuid() != 0 and runtime_dir and Path(runtime_dir).is_dir() and len(runtime_dir) < 50:
        return Path(runtime_dir) / f"usage-billing-{digest}"
    return Path("/tmp") / f"usage-billing-{os.geteuid()}-{digest}"  # noqa: S108 - made private, see below


def make_private(directory: Path, *, owner_uid: int) -> None:
    """Create `directory` for `owner_uid` alone, and refuse one that somebody else made.

    In /tmp anyone may have been there first, with a directory or a link.
    """
    try:
        directory.mkdir(mode=0o700)
        if owner_uid != os.geteuid():
            os.chown(directory, owner_uid, -1)
    except FileExistsError:
        pass
    status = directory.lstat()
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid in (owner_uid, os.geteuid())
    if not is_ours:
        raise EmbeddedServiceError(
            f"{directory} is in the way and not ours. Remove it, or use a shorter LOCAL_DIR."
        )
    if status.st_uid != owner_uid:
        os.chown(directory, owner_uid, -1)
    if status.st_mode & 0o077:
        directory.chmod(0o700)


def write_atomically(path: Path, text: str) -> None:
    """Write a file that readers see whole or not at all; mode 0600."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(temporary).replace(path)
