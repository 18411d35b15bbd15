"""The app: the stacks of one environment, or of all.

Depends on: `infra.config`, `infra.stacks`. Used by: `app.py`, tests/infra.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from aws_cdk import App, Tags

from infra import layers, nag
from infra.config import DEFAULT_ENVIRONMENT, EnvironmentConfig, chosen
from infra.paths import ROOT
from infra.stacks.data import DataStack
from infra.stacks.operations import OperationsStack
from infra.stacks.service import ServiceStack

ENVIRONMENT_KEY = "environment"
NAG_KEY = "nag"
_COMMAND_LINE_CONTEXT = "CDK_CONTEXT_JSON"


def build(*, outdir: str | None = None, context: Mapping[str, Any] | None = None) -> App:
    """Return the app, not yet synthesised.

    Args:
        outdir: where the templates go; None takes what the CDK command line asks for.
        context: the CDK context, as `full_context` gives it; `environment` chooses what is built.

    Raises:
        ConfigurationError: there is no such environment, or a layer cannot be built.
    """
    values = full_context() if context is None else dict(context)
    configs = chosen(str(values.get(ENVIRONMENT_KEY, DEFAULT_ENVIRONMENT)))
    checked = _checked(configs, values)
    if any(config.bundle_dependencies for config in configs):
        layers.build_all()
    # Both checks together take longer than everything else. The templates of the local environment are made while
    # somebody waits; tests/infra checks them.
    app = App(outdir=outdir, context=values, analytics_reporting=False, builtin_cloud_formation_validation=checked)
    for config in configs:
        _add_stacks(app, config)
    if checked:
        nag.check(app)
    return app


def full_context(overrides: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the context as the CDK command line would hand it over: cdk.json, `-c` options, overrides, in that order.

    Args:
        overrides: values that win over all others.
    """
    stored = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8")).get("context", {})
    given = json.loads(os.environ.get(_COMMAND_LINE_CONTEXT, "{}"))
    return {**stored, **given, **(overrides or {})}


def _checked(configs: tuple[EnvironmentConfig, ...], context: Mapping[str, Any]) -> bool:
    wish = context.get(NAG_KEY)
    if wish is None:
        return not all(config.embedded for config in configs)
    return str(wish).lower() == "true"


def _add_stacks(app: App, config: EnvironmentConfig) -> None:
    data = DataStack(app, config=config)
    service = ServiceStack(app, config=config, stateful=data.resources)
    operations = OperationsStack(app, config=config, stateful=data.resources, service=service)
    for stack in (data, service, operations):
        Tags.of(stack).add("application", "abtest")
        Tags.of(stack).add("environment", config.name)
    nag.acknowledge(data, service, operations, config)
