"""Room on the disk that an embedded server writes to: said once when it ends or comes back."""

import shutil
from pathlib import Path

# PostgreSQL's next piece of log takes 16 MiB, and a server that starts writes a few of its own.
_MIN_BYTES = 64 * 1024 * 1024


class Room:
    """Of the disk with `directory`, for the server that people call `title`."""

    def __init__(self, title: str, directory: Path) -> None:
        self._title = title
        self._directory = directory
        self._was_full = False

    def is_full(self) -> bool:
        return shutil.disk_usage(self._directory).free < _MIN_BYTES

    def news(self) -> str | None:
        """One line when it has changed since last asked."""
        is_full = self.is_full()
        if is_full == self._was_full:
            return None
        self._was_full = is_full
        if is_full:
            return (
                f"The disk is full ({self._directory}): {self._title} cannot write. "
                "Make room, and it goes on by itself."
            )
        return f"There is room on the disk again ({self._directory}): {self._title} goes on."
