"""Where the infrastructure finds what it deploys, and which provider vendors there are.

Depends on: `infra.errors`. Used by: the rest of infra.
"""

from __future__ import annotations

from pathlib import Path

from infra.errors import ConfigurationError

ROOT = Path(__file__).resolve().parent.parent
FUNCTIONS = ROOT / "functions"
LAYERS = ROOT / "layers"
BUILD = ROOT / ".build"
SHARED_LAYER = LAYERS / "shared"
STATE_MACHINE = ROOT / "statemachines" / "test_lifecycle.asl.json"
VENDORS = SHARED_LAYER / "python" / "abtest" / "providers" / "vendors"

BYTECODE = ("**/__pycache__", "**/*.pyc")
"""Left out of every asset: bytecode of the machine that synthesises would change hashes and help nobody."""


def vendors() -> tuple[str, ...]:
    """Return the provider vendors: the module names in their folder, read without importing them.

    Raises:
        ConfigurationError: the folder holds no vendor, so there would be no queue.
    """
    names = tuple(sorted(file.stem for file in VENDORS.glob("*.py") if not file.stem.startswith("_")))
    if not names:
        raise ConfigurationError(
            f"{VENDORS} holds no vendor module. Each vendor is one file there and gets one queue; restore the folder."
        )
    return names
