"""Builds the layers of third-party packages: `python -m infra.layers`.

The requirement files name exact versions and hashes; the packages are installed for the functions' platform, not for
this machine's, without running any of their code. A layer is built again only when its requirements change.

Depends on: uv. Used by: `infra.constructs.layers`, `infra.app`, tests/infra.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from infra.errors import LayerBuildError
from infra.paths import BUILD, ROOT, SHARED_LAYER
from infra.paths import LAYERS as SOURCES

DEPENDENCIES, STATISTICS = "dependencies", "statistics"
LAYERS = {
    DEPENDENCIES: "What every function imports.",
    STATISTICS: "numpy and scipy, for the functions that analyse.",
}
"""What each layer is, by folder under layers/."""

PYTHON_VERSION = "3.13"
PLATFORM = "aarch64-manylinux_2_28"
"""The Lambda runtime has glibc 2.34; scipy's newest wheels ask for 2.28."""

BUDGET_MB = 200
"""Largest sum of all layers, unzipped. Lambda refuses 250 MB, code included."""

_RUNTIME_HAS = ("boto3", "botocore")
_RECIPE = "1"
"""Counted up when the build itself changes, so that layers are built again."""
_STAMP = ".stamp"
_UNWANTED_FOLDERS = ("__pycache__", "tests")


def folder(layer: str) -> Path:
    """Return where a built layer is."""
    return BUILD / "layers" / layer


def requirements(layer: str) -> Path:
    """Return a layer's file of exact versions and hashes."""
    return SOURCES / layer / "requirements.txt"


def is_built(layer: str) -> bool:
    """Return whether a layer is there and made from today's requirements."""
    stamp = folder(layer) / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _fingerprint(layer)


def build(layer: str) -> bool:
    """Build a layer unless it is built.

    Args:
        layer: a name of `LAYERS`.

    Returns:
        Whether anything had to be done.

    Raises:
        LayerBuildError: a package could not be installed for the functions' platform.
    """
    if is_built(layer):
        return False
    target = folder(layer)
    draft = target.with_name(f"{target.name}.draft")
    shutil.rmtree(draft, ignore_errors=True)
    _uv(
        "pip", "install",
        "--python-platform", PLATFORM,
        "--python-version", PYTHON_VERSION,
        "--only-binary", ":all:",
        "--no-deps",
        "--require-hashes",
        "--target", str(draft / "python"),
        "--requirements", str(requirements(layer)),
    )  # fmt: skip
    _strip(draft / "python")
    (draft / _STAMP).write_text(_fingerprint(layer), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    # The folder moves whole, so that a build that was interrupted is never taken for a layer.
    draft.rename(target)
    return True


def build_all() -> None:
    """Build what is missing and check the sum.

    Raises:
        LayerBuildError: a layer cannot be built, or the sum is over the budget.
    """
    for layer in LAYERS:
        build(layer)
    total_mb = size_mb()
    if total_mb > BUDGET_MB:
        raise LayerBuildError(
            f"The layers hold {total_mb:.0f} MB unzipped; the budget is {BUDGET_MB} MB, and Lambda refuses 250 MB. "
            "Leave a package out of layers/*/requirements.in."
        )


def size_mb() -> float:
    """Return the unzipped size of everything a function that analyses imports, in MB (10^6 bytes)."""
    places = [*(folder(layer) for layer in LAYERS), SHARED_LAYER]
    return sum(file.stat().st_size for place in places for file in _files(place)) / 1e6


def compile_requirements(layer: str) -> None:
    """Choose exact versions for a layer, held to those the root's requirements.txt was tested with.

    Args:
        layer: a name of `LAYERS`.

    Raises:
        LayerBuildError: no set of versions fits.
    """
    source = SOURCES / layer / "requirements.in"
    without = [argument for name in _RUNTIME_HAS for argument in ("--no-emit-package", name)]
    _uv(
        "pip", "compile", str(source.relative_to(ROOT)),
        "--constraints", "requirements.txt",
        "--python-version", PYTHON_VERSION,
        "--python-platform", PLATFORM,
        "--generate-hashes",
        "--no-annotate",
        "--custom-compile-command", "python -m infra.layers --compile",
        *without,
        "--output-file", str(requirements(layer).relative_to(ROOT)),
    )  # fmt: skip


def _uv(*arguments: str) -> None:
    # No cache: it would stay in the home folder, and a layer is built once for each change of its requirements.
    command = [sys.executable, "-m", "uv", "--quiet", "--no-cache", *arguments]
    finished = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if finished.returncode != 0:
        raise LayerBuildError(
            f"`uv {' '.join(arguments[:2])}` failed:\n{finished.stderr.strip()}\n"
            "Correct layers/*/requirements.in and compile it with `python -m infra.layers --compile`, "
            "or check the connection to the package registry."
        )


def _strip(site: Path) -> None:
    """Remove what no function needs: tests, bytecode of this machine, start scripts."""
    for found in sorted(site.rglob("*"), reverse=True):
        if found.is_dir() and found.name in _UNWANTED_FOLDERS:
            shutil.rmtree(found)
        elif found.is_file() and found.suffix == ".pyc":
            found.unlink()
    shutil.rmtree(site / "bin", ignore_errors=True)


def _files(place: Path) -> Iterator[Path]:
    return (f for f in place.rglob("*") if f.is_file() and "__pycache__" not in f.parts)


def _fingerprint(layer: str) -> str:
    digest = hashlib.sha256(f"{_RECIPE} {PYTHON_VERSION} {PLATFORM}\n".encode())
    digest.update(requirements(layer).read_bytes())
    return digest.hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.layers", description="Build the layers that are missing.")
    parser.add_argument("--compile", action="store_true", help="first choose the exact versions again")
    wish = parser.parse_args(arguments)
    try:
        if wish.compile:
            for layer in LAYERS:
                compile_requirements(layer)
        build_all()
    except LayerBuildError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Layers in {(BUILD / 'layers').relative_to(ROOT)}: {size_mb():.0f} of {BUDGET_MB} MB.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
