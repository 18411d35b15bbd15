"""What a person can choose about the local stack, and where its files are.

Depends on: nothing. Used by: every module of `abtest_cli.local`.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from abtest_cli.local.errors import LocalSetupError

DEFAULT_PORT = 4566
HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT = "000000000000"

Report = Callable[[str, float | None], None]
"""Told of a phase twice: with None when it starts, with its seconds when it ends. Calls come one at a time."""


def default_home() -> Path:
    """Return the folder of the local stack: `ABTEST_HOME`, or `~/.abtest/local`."""
    return Path(os.environ.get("ABTEST_HOME") or Path.home() / ".abtest" / "local").expanduser().absolute()


def default_port() -> int:
    """Return the port of the embedded AWS: `ABTEST_LOCAL_PORT`, or 4566.

    Raises:
        LocalSetupError: the variable is not a port number.
    """
    text = os.environ.get("ABTEST_LOCAL_PORT", "")
    if not text:
        return DEFAULT_PORT
    if not text.isdecimal() or not 1 <= int(text) <= 65535:
        raise LocalSetupError(f"ABTEST_LOCAL_PORT is {text!r}; it must be a port number from 1 to 65535, or unset.")
    return int(text)


def default_repository() -> Path:
    """Return the checkout that holds `app.py`: the working folder or a parent of it, else that of this file.

    Raises:
        LocalSetupError: neither lies in a checkout of the product.
    """
    here = Path.cwd()
    source = Path(__file__).resolve()
    for folder in (here, *here.parents, *source.parents):
        if (folder / "app.py").is_file() and (folder / "statemachines").is_dir():
            return folder
    raise LocalSetupError(
        f"No app.py beside a statemachines folder in {here} or above it. Run the command inside a clone of the product."
    )


@dataclass(frozen=True)
class LocalOptions:
    """One local stack, as asked for.

    Args:
        home: folder of its state, logs and temporary files; one stack a home.
        port: loopback port of the embedded AWS.
        llm: whether to serve the bundled LLM and register it as the provider `local`.
        llm_port: loopback port of the LLM; 0 takes a free one.
        auth: whether the embedded AWS enforces IAM policies and signatures.
        repository: checkout that holds `app.py`.
    """

    home: Path = field(default_factory=default_home)
    port: int = field(default_factory=default_port)
    llm: bool = True
    llm_port: int = 0
    auth: bool = False
    repository: Path = field(default_factory=default_repository)

    def __post_init__(self) -> None:
        # One spelling of a folder: it is compared with what running processes carry in their environment.
        object.__setattr__(self, "home", self.home.expanduser().resolve())
        object.__setattr__(self, "repository", self.repository.expanduser().resolve())


@dataclass(frozen=True)
class HomePaths:
    """Where the files of a home are.

    Args:
        home: the folder itself.
    """

    home: Path

    @property
    def state(self) -> Path:
        """What runs, as data."""
        return self.home / "state.json"

    @property
    def credentials(self) -> Path:
        """User name and password of the local user."""
        return self.home / "credentials.json"

    @property
    def lock(self) -> Path:
        """Held while a command starts the stack."""
        return self.home / "lock"

    @property
    def runs(self) -> Path:
        """One folder an instance: the TMPDIR of its processes."""
        return self.home / "run"

    @property
    def logs(self) -> Path:
        """What the processes printed; kept after the stack has stopped."""
        return self.home / "logs"

    @property
    def assembly(self) -> Path:
        """What the synthesis wrote."""
        return self.home / "cdk.out"

    def temporary(self, instance: str) -> Path:
        """Return the private TMPDIR of one instance."""
        return self.runs / instance
