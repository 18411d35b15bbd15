"""What the local stack tells about itself.

Depends on: `state`. Used by: `stack`, `health`, `doctor`, the commands, the end-to-end tests.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from abtest_cli.local import llm, ministack
from abtest_cli.local.state import LocalState, load_password


@dataclass(frozen=True)
class LocalStack:
    """A running local stack: all that a client needs.

    Args:
        api_url: base of the API; paths start with `/v1`.
        username: the local user.
        password: theirs.
        user_pool_client_id: app client for signing in.
        idp_endpoint_url: where to sign in.
        llm_base_url: of the local LLM, None without one.
        state_machine_arn: of the lifecycle of a run.
        outputs: outputs of all stacks.
        timings: seconds by phase; phases overlap, so their sum is more than `total`.
        home: folder of the stack.
        port: of the embedded AWS, which answers every service at `endpoint_url`.
        note: how it came about: `started`, `already running` or `redeployed`.
    """

    api_url: str
    username: str
    password: str
    user_pool_client_id: str
    idp_endpoint_url: str
    llm_base_url: str | None
    state_machine_arn: str
    outputs: Mapping[str, str]
    timings: Mapping[str, float] = field(default_factory=dict)
    home: Path = Path()
    port: int = 0
    note: str = "started"

    @property
    def endpoint_url(self) -> str:
        """Endpoint of every embedded AWS service; credentials `test` / `test`, region us-east-1."""
        return ministack.endpoint_url(self.port)


def from_state(home: Path, state: LocalState, note: str) -> LocalStack | None:
    """Return the stack a state describes, or None when its password is lost.

    Args:
        home: folder of the stack.
        state: what was remembered.
        note: how the stack came about.
    """
    password = load_password(state)
    if password is None:
        return None
    return LocalStack(
        api_url=state.api_url,
        username=state.username,
        password=password,
        user_pool_client_id=state.outputs["UserPoolClientId"],
        idp_endpoint_url=ministack.endpoint_url(state.port),
        llm_base_url=llm.base_url(state.llm_port) if state.llm_port else None,
        state_machine_arn=state.outputs["StateMachineArn"],
        outputs=state.outputs,
        timings=state.timings,
        home=home,
        port=state.port,
        note=note,
    )


@dataclass(frozen=True)
class Part:
    """One part of the local stack.

    Args:
        name: `embedded AWS`, `LLM`, `API` or `files`.
        ok: whether it works.
        message: what it is doing, or what is wrong.
    """

    name: str
    ok: bool
    message: str


@dataclass(frozen=True)
class LocalStatus:
    """How the local stack of a home is.

    Args:
        state: `broken` means that something runs or is left over, but it cannot serve.
        parts: each part, the dead ones included.
        what_to_do: one sentence; empty when nothing is to be done.
        stack: how to reach it, when it runs.
    """

    state: Literal["running", "stopped", "starting", "broken"]
    parts: tuple[Part, ...]
    what_to_do: str
    stack: LocalStack | None = None


@dataclass(frozen=True)
class Check:
    """One check of `abtest doctor`.

    Args:
        name: what was looked at.
        ok: whether it is as it should be.
        message: what was found.
        what_to_do: how to put it right; empty when it is.
    """

    name: str
    ok: bool
    message: str
    what_to_do: str = ""
