"""A Python process that can import what Lambda gives one function, and nothing else that is installed here.

The layers are built for another processor, so their files cannot be imported; but their requirement files name every
distribution in them. The process refuses each module that belongs to another one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "six", "urllib3")
"""What the Lambda runtime itself carries."""

_PROLOGUE = """
import sys
allowed = set({allowed!r}) | set(sys.stdlib_module_names)

class OnlyTheLayers:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        # The standard library's own data about its build has a name of its own on each platform.
        if top not in allowed and not top.startswith("_sysconfigdata"):
            raise ModuleNotFoundError(f"No module named {{name!r}} in the function's layers", name=name)

sys.path[:0] = {paths!r}
sys.meta_path.insert(0, OnlyTheLayers())
"""


def distributions(layer: str) -> frozenset[str]:
    """Return the names of the distributions in a layer, from its compiled requirements."""
    text = (REPOSITORY / "layers" / layer / "requirements.txt").read_text()
    return frozenset(_normal(name) for name in re.findall(r"^([A-Za-z0-9][\w.-]*)==", text, re.MULTILINE))


@cache
def _modules() -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for module, owners in packages_distributions().items():
        for owner in owners:
            found.setdefault(_normal(owner), set()).add(module)
    return {owner: frozenset(modules) for owner, modules in found.items()}


def modules_of(names: Iterable[str]) -> frozenset[str]:
    """Return the top-level modules of distributions, as far as they are installed here."""
    return frozenset().union(*(_modules().get(_normal(name), frozenset()) for name in names))


def run_layered(code: str, layers: Iterable[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run code where only some layers, the shared package and the Lambda runtime can be imported.

    Args:
        layers: `dependencies` and, for the functions that analyse, `statistics`.
        folder: of a function, whose own modules can be imported too.
    """
    names = set(RUNTIME).union(*(distributions(layer) for layer in layers))
    own = {path.stem for path in folder.iterdir()} if folder else set()
    paths = [*([str(folder)] if folder else []), str(REPOSITORY / "layers/shared/python")]
    # Editable installs find their modules by a finder of their own, which the list of paths makes unnecessary.
    allowed = sorted(modules_of(names) | own | {"abtest"})
    prologue = _PROLOGUE.format(allowed=allowed, paths=paths)
    return subprocess.run(
        [sys.executable, "-I", "-c", prologue + code],
        env={"AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
