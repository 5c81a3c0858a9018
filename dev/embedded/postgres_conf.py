"""The embedded PostgreSQL's settings, fitted to the machine.

Durability is never traded: `fsync`, `full_page_writes` and `synchronous_commit`
stay on. What is tuned is memory, how rarely checkpoints come, and how eagerly
the few hot rows (counters, rollups) are vacuumed.
"""

import contextlib
import os
import shutil
from pathlib import Path

_MIB = 1024 * 1024
_GIB = 1024 * _MIB

_CONTROL_GROUP_LIMITS = (
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)


def memory_bytes() -> int:
    """The memory this process may use: the machine's, or the container's limit."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for limit in _CONTROL_GROUP_LIMITS:
        with contextlib.suppress(OSError, ValueError):
            total = min(total, int(limit.read_text(encoding="ascii")))
    return total


def shared_buffers_mib(memory: int) -> int:
    """A quarter of the memory, between 128 MiB and 4 GiB."""
    return max(128, min(memory // 4, 4 * _GIB) // _MIB)


def max_wal_size_mib(free_disk: int) -> int:
    """8 GiB, or a tenth of the free disk where that is less; at least 512 MiB."""
    return max(512, min(free_disk // 10, 8 * _GIB) // _MIB)


def settings(
    *, memory: int, free_disk: int, shared_memory: int | None, socket_dir: Path
) -> dict[str, str]:
    """The settings by name, for so many bytes of memory, free disk and /dev/shm (None: no such)."""
    values = {
        # Only through the socket, in a directory that only its owner may enter.
        "listen_addresses": "",
        "unix_socket_directories": _quoted_list_item(str(socket_dir)),
        "unix_socket_permissions": "0700",
        "port": "5432",
        "max_connections": "200",
        "fsync": "on",
        "full_page_writes": "on",
        "synchronous_commit": "on",
        "shared_buffers": f"{shared_buffers_mib(memory)}MB",
        "effective_cache_size": f"{max(256, memory // 2 // _MIB)}MB",
        "work_mem": "16MB",
        "maintenance_work_mem": f"{max(64, min(memory // 16, _GIB) // _MIB)}MB",
        "huge_pages": "try",
        "max_wal_size": f"{max_wal_size_mib(free_disk)}MB",
        "min_wal_size": f"{max(80, max_wal_size_mib(free_disk) // 8)}MB",
        "checkpoint_timeout": "30min",
        # Record ids are hashes, so after each checkpoint every index page is
        # logged whole once more. This build has no lz4, and pglz takes so long
        # for it that ingest fell to a fifth until all pages were through.
        "wal_compression": "off",
        "random_page_cost": "1.1",
        "effective_io_concurrency": "64",
        # Queries here are short; compiling them costs more than it saves.
        "jit": "off",
        # Counters and rollups are updated all the time: keep their dead rows few.
        "autovacuum_naptime": "10s",
        "autovacuum_vacuum_scale_factor": "0.05",
        "autovacuum_analyze_scale_factor": "0.02",
        "autovacuum_vacuum_cost_limit": "2000",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "datestyle": "iso, ymd",
        # A file for each day of the week, in the data directory's `log`.
        "logging_collector": "on",
        "log_directory": "log",
        "log_filename": "postgresql-%a.log",
        "log_truncate_on_rotation": "on",
        "log_rotation_age": "1d",
        "log_rotation_size": "0",
        "log_line_prefix": "%m [%p] %q%u@%d %a ",
        "log_lock_waits": "on",
        "log_min_duration_statement": "5s",
        "log_temp_files": "100MB",
        # What is refused as expected (a key that is there, a limit that is near) says so in one
        # line, without the whole batch and what it holds. Slow statements are written out above.
        "log_min_error_statement": "panic",
    }
    if shared_memory is not None and shared_memory < 256 * _MIB:
        # Containers get 64 MiB of /dev/shm, too little for parallel queries.
        values["dynamic_shared_memory_type"] = "mmap"
    return values


def render(values: dict[str, str]) -> str:
    """The settings in the syntax of postgresql.conf."""
    lines = [f"{name} = '{_escape(value)}'" for name, value in values.items()]
    return "\n".join(
        ["# Written anew at each start. Put your own settings into custom.conf.", *lines, ""]
    )


def for_this_machine(*, data_dir: Path, socket_dir: Path) -> str:
    """The configuration file for a server with its data in `data_dir`."""
    shared_memory = Path("/dev/shm")  # noqa: S108 - only its size is read
    return render(
        settings(
            memory=memory_bytes(),
            free_disk=shutil.disk_usage(data_dir).free,
            shared_memory=shutil.disk_usage(shared_memory).total
            if shared_memory.is_dir()
            else None,
            socket_dir=socket_dir,
        )
    )


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace("'", "''")


def _quoted_list_item(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'
