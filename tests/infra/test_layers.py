"""The layers: pinned, without addresses, tested versions, small enough, and enough for every handler."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from infra import layers
from infra.functions import FUNCTIONS
from infra.paths import FUNCTIONS as FUNCTION_FOLDERS
from infra.paths import ROOT, SHARED_LAYER

RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "python-dateutil", "urllib3", "six")
"""What the Lambda runtime carries."""

PIN = re.compile(r"^([a-z0-9-]+)==([^ \\]+)", re.MULTILINE)
IMPORT_WITH_LAYERS_ONLY = """
import json, sys
allowed, folders = json.loads(sys.argv[1])
from importlib import metadata
owners = metadata.packages_distributions()
class Fence:
    def find_spec(self, name, path=None, target=None):
        distributions = {d.lower().replace("_", "-") for d in owners.get(name, ())}
        if distributions and not distributions & set(allowed) and name not in ("abtest", "abtest_cli"):
            raise ModuleNotFoundError(f"No module named {name!r} (not in the function's layers)", name=name)
sys.meta_path.insert(0, Fence())
sys.path[:0] = folders
import handler
print(handler.lambda_handler.__name__)
"""


def pins(text: str) -> dict[str, str]:
    return dict(PIN.findall(text))


def required(layer: str) -> dict[str, str]:
    return pins(layers.requirements(layer).read_text(encoding="utf-8"))


@pytest.mark.parametrize("layer", layers.LAYERS)
def test_requirements_are_pinned_with_hashes_and_without_addresses(layer: str) -> None:
    text = layers.requirements(layer).read_text(encoding="utf-8")
    assert text.count("==") == len(required(layer)) > 0
    for block in re.split(r"\n(?=[a-z])", text.split("\n", 2)[2]):
        assert "--hash=sha256:" in block
    assert "://" not in text
    assert str(ROOT) not in text


@pytest.mark.parametrize("layer", layers.LAYERS)
def test_requirements_name_all_that_was_asked_for_and_not_the_runtime(layer: str) -> None:
    asked = (layers.requirements(layer).with_suffix(".in")).read_text(encoding="utf-8").splitlines()
    wanted = {line.strip() for line in asked if line.strip() and not line.startswith("#")}
    assert wanted <= set(required(layer))
    assert not {"boto3", "botocore"} & set(required(layer))


def test_what_was_tested_is_what_is_deployed() -> None:
    tested = pins((ROOT / "requirements.txt").read_text(encoding="utf-8"))
    # Packages with two pins there, one for each version of Python, are compared by the newer.
    deployed = {**required("dependencies"), **required("statistics")}
    assert {name: version for name, version in deployed.items() if name in tested and tested[name] != version} == {}


@pytest.mark.parametrize("function", [spec.folder for spec in FUNCTIONS])
def test_a_handler_imports_with_its_layers_only(function: str) -> None:
    spec = next(spec for spec in FUNCTIONS if spec.folder == function)
    allowed = [name for layer in (layers.DEPENDENCIES, *spec.layers) for name in required(layer)]
    folders = [str(FUNCTION_FOLDERS / function), str(SHARED_LAYER / "python")]
    finished = subprocess.run(
        [sys.executable, "-c", IMPORT_WITH_LAYERS_ONLY, json.dumps([[*allowed, *RUNTIME], folders])],
        env={**os.environ, "AWS_DEFAULT_REGION": "us-east-1", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


def test_only_functions_with_the_layer_need_numpy() -> None:
    analysing = {spec.folder for spec in FUNCTIONS if layers.STATISTICS in spec.layers}
    assert analysing == {"plan_analysis", "analyse_labels", "take_look", "finish_run"}
    assert {"numpy", "scipy"} <= set(required(layers.STATISTICS))
    assert metadata.version("numpy")


@pytest.fixture
def built() -> None:
    missing = [name for name in layers.LAYERS if not layers.is_built(name)]
    if missing:
        pytest.skip(f"not built: {', '.join(missing)}; run `python -m infra.layers` first")


@pytest.mark.usefixtures("built")
def test_layers_fit_the_budget() -> None:
    assert layers.size_mb() < layers.BUDGET_MB < 250


@pytest.mark.usefixtures("built")
def test_layers_are_for_the_functions_processor_and_carry_no_leftovers() -> None:
    for layer in layers.LAYERS:
        site = layers.folder(layer) / "python"
        libraries = [f.name for f in site.rglob("*.cpython-*.so")]
        assert libraries
        assert not [name for name in libraries if "cpython-313-aarch64" not in name]
        assert not list(site.rglob("__pycache__"))
        assert not [d for d in site.rglob("tests") if d.is_dir()]
    statistics = layers.folder(layers.STATISTICS) / "python"
    # The bundled BLAS, and what numpy imports at its own start.
    for needed in ("numpy.libs", "scipy.libs", "numpy/f2py", "numpy/testing"):
        assert (statistics / needed).is_dir()


@pytest.mark.usefixtures("built")
def test_a_built_layer_is_not_built_again() -> None:
    assert [layers.build(layer) for layer in layers.LAYERS] == [False, False]


def test_a_changed_requirement_makes_a_layer_stale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "SOURCES", tmp_path)
    monkeypatch.setattr(layers, "BUILD", tmp_path / "build")
    (tmp_path / "dependencies").mkdir()
    file = tmp_path / "dependencies" / "requirements.txt"
    file.write_text("a==1\n", encoding="utf-8")
    layers.folder("dependencies").mkdir(parents=True)
    (layers.folder("dependencies") / ".stamp").write_text(layers._fingerprint("dependencies"), encoding="utf-8")
    assert layers.is_built("dependencies")
    file.write_text("a==2\n", encoding="utf-8")
    assert not layers.is_built("dependencies")


def test_an_impossible_build_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layers, "SOURCES", tmp_path)
    monkeypatch.setattr(layers, "BUILD", tmp_path / "build")
    (tmp_path / "dependencies").mkdir()
    (tmp_path / "dependencies" / "requirements.txt").write_text("numpy==2.5.5\n", encoding="utf-8")
    with pytest.raises(layers.LayerBuildError, match=r"`uv pip install` failed:[\s\S]*infra\.layers --compile"):
        layers.build("dependencies")
    assert not layers.folder("dependencies").exists()
