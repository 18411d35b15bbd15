"""What the machine must offer before anything is started.

Depends on: psutil. Used by: `starter`, `doctor`.
"""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

import psutil

from abtest_cli.local.errors import ResourceShortageError

GIB = 1024**3
DISK_NEEDED_BYTES = 2 * GIB
MEMORY_NEEDED_BYTES = 3 * GIB // 2
_DISK_FULL_BYTES = 64 * 1024**2


def free_disk_bytes(folder: Path) -> int:
    """Return the free space of the file system that holds a folder, which need not exist yet."""
    place = folder
    while not place.exists():
        place = place.parent
    return shutil.disk_usage(place).free


def free_memory_bytes() -> int:
    """Return the memory that processes can still get."""
    return int(psutil.virtual_memory().available)


def gib(count: int) -> str:
    """Return a number of bytes as a person reads it."""
    return f"{count / GIB:.1f} GiB"


def require_disk(home: Path) -> None:
    """Refuse to start on a disk that would fill up.

    Args:
        home: folder of the stack.

    Raises:
        ResourceShortageError: less than 2 GiB are free.
    """
    free = free_disk_bytes(home)
    if free < DISK_NEEDED_BYTES:
        raise ResourceShortageError(
            f"Only {gib(free)} are free where {home} is; the local stack needs {gib(DISK_NEEDED_BYTES)} for its "
            "temporary files. Free some space, or set ABTEST_HOME to a folder on another disk.",
            details={"free_bytes": free, "needed_bytes": DISK_NEEDED_BYTES},
        )


def disk_full(home: Path, error: BaseException) -> ResourceShortageError | None:
    """Return what to tell when a failure came from a full disk, else None.

    Args:
        home: folder of the stack.
        error: the failure, perhaps of a part that could not say why.
    """
    told = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    free = free_disk_bytes(home)
    if not told and free >= _DISK_FULL_BYTES:
        return None
    return ResourceShortageError(
        f"The disk filled up ({gib(free)} free where {home} is). Everything that was started has been stopped and "
        "removed. Free some space, or set ABTEST_HOME to a folder on another disk, and start again.",
        details={"free_bytes": free},
    )
