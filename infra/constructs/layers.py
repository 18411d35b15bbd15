"""The three layers.

Depends on: aws-cdk-lib, `infra.layers`. Used by: `infra.stacks.service`.
"""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from infra import layers as builder
from infra.config import EnvironmentConfig
from infra.constructs.function import ARCHITECTURE, RUNTIME
from infra.functions import FunctionSpec
from infra.paths import BYTECODE, SHARED_LAYER


class Layers(Construct):
    """Our own code for every function; third-party packages where the environment bundles them.

    Args:
        scope: the stack.
        construct_id: its name there.
        config: the environment.
    """

    def __init__(self, scope: Construct, construct_id: str, *, config: EnvironmentConfig) -> None:
        super().__init__(scope, construct_id)
        self._shared = self._layer("Shared", str(SHARED_LAYER), "The platform's own packages.")
        self._bundled: dict[str, lambda_.LayerVersion] = {}
        if config.bundle_dependencies:
            for name, summary in builder.LAYERS.items():
                self._bundled[name] = self._layer(name.capitalize(), str(builder.folder(name)), summary)

    def of(self, spec: FunctionSpec) -> list[lambda_.ILayerVersion]:
        """Return a function's layers, the own code first."""
        wanted = (builder.DEPENDENCIES, *spec.layers)
        return [self._shared, *(self._bundled[name] for name in wanted if name in self._bundled)]

    def _layer(self, name: str, folder: str, summary: str) -> lambda_.LayerVersion:
        return lambda_.LayerVersion(
            self,
            name,
            description=summary,
            code=lambda_.Code.from_asset(folder, exclude=list(BYTECODE)),
            compatible_runtimes=[RUNTIME],
            compatible_architectures=[ARCHITECTURE],
            removal_policy=RemovalPolicy.DESTROY,
        )
