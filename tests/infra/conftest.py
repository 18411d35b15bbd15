"""The templates of every environment, synthesised once a session, policy check included."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from infra.node import prepare_node  # noqa: E402

prepare_node()

from templates import PARTS, Environment, read  # noqa: E402

from infra import layers  # noqa: E402
from infra.app import build, full_context  # noqa: E402
from infra.config import ENVIRONMENTS  # noqa: E402


@pytest.fixture(scope="session")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the templates of all environments. The synthesis fails on findings of cdk-nag."""
    if not all(map(layers.is_built, layers.LAYERS)):
        try:
            layers.build_all()
        except layers.LayerBuildError as error:
            pytest.fail(str(error))
    folder = tmp_path_factory.mktemp("assembly")
    try:
        build(outdir=str(folder), context=full_context({"environment": "all", "nag": "true"})).synth()
    except RuntimeError as error:
        pytest.fail(f"The synthesis failed:\n{error}", pytrace=False)
    return folder


@pytest.fixture(scope="session")
def environments(assembly: Path) -> dict[str, Environment]:
    """Every environment by name."""
    return {
        name: Environment(config, {part: read(assembly, config.stack_name(part)) for part in PARTS})
        for name, config in ENVIRONMENTS.items()
    }


@pytest.fixture(params=list(ENVIRONMENTS))
def environment(request: pytest.FixtureRequest, environments: dict[str, Environment]) -> Environment:
    """Each environment in turn."""
    return environments[request.param]


@pytest.fixture
def prod(environments: dict[str, Environment]) -> Environment:
    """The environment that keeps data."""
    return environments["prod"]
