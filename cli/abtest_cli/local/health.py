"""How the local stack of a home is, found out by looking and asking rather than by what was written down.

Depends on: `state`, `processes`, `probes`. Used by: `stack`.
"""

from __future__ import annotations

from pathlib import Path

from abtest_cli.local import interrupts, llm, ministack, processes, state
from abtest_cli.local.model import LocalStatus, Part, from_state
from abtest_cli.local.options import HomePaths
from abtest_cli.local.probes import answers
from abtest_cli.local.state import LocalState

_RESTART = "Run `abtest up`: it clears away what is left and starts anew. `abtest down` only clears away."


def status(home: Path) -> LocalStatus:
    """Return how the local stack of a home is.

    Args:
        home: folder of the stack.
    """
    home = home.expanduser().resolve()
    paths = HomePaths(home)
    starter = interrupts.holder(paths.lock)
    if starter is not None:
        message = f"process {starter} is starting it" if starter else "another process is starting it"
        return LocalStatus("starting", (Part("files", True, message),), "Wait until that command has ended.")
    remembered = state.load(home)
    return _without_state(home) if remembered is None else inspect(home, remembered)


def inspect(home: Path, remembered: LocalState) -> LocalStatus:
    """Return how a stack is whose state is known.

    Args:
        home: folder of the stack.
        remembered: its state.
    """
    parts = _parts(remembered)
    stack = from_state(home, remembered, "already running") if _has_outputs(remembered) else None
    if stack is None:
        parts.append(Part("files", False, "the stored outputs or the password of the local user cannot be read"))
    if all(part.ok for part in parts):
        return LocalStatus("running", tuple(parts), "", stack)
    return LocalStatus("broken", tuple(parts), _RESTART, None)


def _has_outputs(remembered: LocalState) -> bool:
    return {"UserPoolClientId", "StateMachineArn"} <= set(remembered.outputs)


def _without_state(home: Path) -> LocalStatus:
    left = processes.find(home)
    paths = HomePaths(home)
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        part = Part("files", False, f"processes {pids} of this home run, but its state file is missing or damaged")
        return LocalStatus("broken", (part,), _RESTART)
    if paths.state.exists() or paths.runs.exists():
        part = Part("files", False, f"{home} holds leftovers of a stack that no longer runs")
        return LocalStatus("broken", (part,), _RESTART)
    return LocalStatus("stopped", (), "Run `abtest up` to start it.")


def _parts(remembered: LocalState) -> list[Part]:
    alive = {record.role: record.process() is not None for record in remembered.processes}
    port, llm_port = remembered.port, remembered.llm_port
    parts = [_part("embedded AWS", alive.get(ministack.ROLE, False), ministack.health_url(port), f"port {port}")]
    if llm_port is not None:
        parts.append(_part("LLM", alive.get(llm.ROLE, False), llm.health_url(llm_port), f"port {llm_port}"))
    if parts[0].ok:
        health = f"{remembered.api_url}/v1/health"
        parts.append(_part("API", True, health, remembered.api_url))
    return parts


def _part(name: str, alive: bool, url: str, where: str) -> Part:
    if not alive:
        return Part(name, False, f"its process ended ({where})")
    if not answers(url, timeout_s=10.0):
        return Part(name, False, f"it runs but does not answer ({url})")
    return Part(name, True, f"running, {where}")


def differences(remembered: LocalState, *, port: int, auth: bool, llm: bool, repository: Path) -> list[str]:
    """Return how a running stack differs from what is asked for, each difference as a phrase.

    Args:
        remembered: the running stack.
        port: asked for.
        auth: asked for.
        llm: whether an LLM is asked for; one that nobody asked for does not disturb.
        repository: asked for.
    """
    found = []
    if remembered.port != port:
        found.append(f"port {remembered.port} instead of {port}")
    if remembered.auth != auth:
        found.append(f"IAM enforcement {'on' if remembered.auth else 'off'}")
    if llm and remembered.llm_port is None:
        found.append("no LLM")
    if remembered.repository != str(repository):
        found.append(f"deployed from {remembered.repository}")
    return found
