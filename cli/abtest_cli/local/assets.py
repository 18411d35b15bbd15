"""The files of a deployment: zipped so that the same content always gives the same bytes.

Depends on: nothing. Used by: `deployment`.
"""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

_EPOCH = (1980, 1, 1, 0, 0, 0)
_REGULAR_FILE = 0o100644 << 16
_EXECUTABLE = 0o100755 << 16
_UNIX = 3


def package(folder: Path) -> bytes:
    """Return a folder as a zip archive, byte code left out.

    Entries are sorted and carry a fixed time and plain permissions, so the bytes depend on the content alone.

    Args:
        folder: what to pack.
    """
    output = io.BytesIO()
    # Little compression: nothing travels further than across loopback, and every worker unpacks it again.
    with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts):
            entry = zipfile.ZipInfo(file.relative_to(folder).as_posix(), date_time=_EPOCH)
            entry.external_attr = _EXECUTABLE if file.stat().st_mode & 0o111 else _REGULAR_FILE
            entry.create_system = _UNIX
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, file.read_bytes())
    return output.getvalue()
