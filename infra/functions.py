"""One row for each function: what it needs, what it may do, and its environment.

The environment is rendered from the function's own settings class, so that both cannot drift apart: a field without a
value and a value without a field end the synthesis with a sentence.

Depends on: `abtest.runtime.settings`, `infra.grants`. Used by: `infra.stacks.service`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from infra import grants
from infra.config import EnvironmentConfig
from infra.errors import FunctionEnvironmentError
from infra.grants import Grant

if TYPE_CHECKING:
    from aws_cdk import Stack
    from pydantic_settings import BaseSettings

    from infra.resources import ServiceResources

STATISTICS = "statistics"
"""Name of the layer with numpy and scipy; every function has the other two."""


@dataclass(frozen=True, kw_only=True)
class FunctionSpec:
    """One function.

    Args:
        folder: under functions/; also its key in `SETTINGS` and its service name in logs.
        summary: what it does, shown as its description.
        memory_mb: memory; CPU grows with it (1,769 MB is one core).
        timeout_s: longest invocation in seconds; None takes the environment's `worker_timeout_s`.
        layers: layers beyond `shared` and `dependencies`.
        grants: all it may do beyond writing its own log and traces.
    """

    folder: str
    summary: str
    memory_mb: int
    timeout_s: int | None = None
    layers: tuple[str, ...] = ()
    grants: tuple[Grant, ...] = field(default=())


FUNCTIONS: tuple[FunctionSpec, ...] = (
    FunctionSpec(
        folder="api",
        summary="Answers the HTTP API.",
        memory_mb=1024,
        # API Gateway waits 30 seconds.
        timeout_s=29,
        grants=(
            grants.use_key(),
            grants.read_items(),
            grants.query_indexes(),
            grants.write_items(),
            # Addresses signed by the function let a client do what the function may do.
            *grants.read_objects("uploads", "runs", "labels"),
            *grants.write_objects("uploads", "datasets", "labels"),
            grants.start_runs(),
        ),
    ),
    FunctionSpec(
        folder="plan_analysis",
        summary="Plans tests: samples, power, cost.",
        memory_mb=1769,
        timeout_s=29,
        layers=(STATISTICS,),
        # A finished run can be the pilot of a plan.
        grants=(grants.use_key(), grants.read_items(), *grants.read_objects("runs")),
    ),
    FunctionSpec(
        folder="analyse_labels",
        summary="Says what people's labels say of a run.",
        memory_mb=1769,
        timeout_s=29,
        layers=(STATISTICS,),
        grants=(grants.use_key(), grants.read_items(), *grants.read_objects("runs", "labels")),
    ),
    FunctionSpec(
        folder="check_provider",
        summary="Checks a provider by one call that spends at most a token.",
        memory_mb=1024,
        timeout_s=29,
        # Of the functions behind the API it and try_judge alone read keys; it reaches no body, queue or run.
        grants=(
            grants.use_key(),
            grants.read_items(),
            grants.write_items(),
            grants.read_provider_secrets(),
            grants.invoke_bedrock_models(),
        ),
    ),
    FunctionSpec(
        folder="try_judge",
        summary="Tries one judge on one answer or pair, by a few calls.",
        memory_mb=1024,
        timeout_s=29,
        # As check_provider: it reads keys, and reaches no body, queue or run.
        grants=(
            grants.use_key(),
            grants.read_items(),
            grants.write_items(),
            grants.read_provider_secrets(),
            grants.invoke_bedrock_models(),
        ),
    ),
    FunctionSpec(
        folder="plan_run",
        summary="Reserves the budget, cuts the dataset into waves and batches, writes the manifests.",
        memory_mb=1024,
        grants=(
            grants.use_key(),
            grants.read_items(),
            grants.write_items(),
            # A run that judges another one anew takes over its answers.
            *grants.read_objects("datasets", "runs"),
            *grants.write_objects("runs"),
        ),
    ),
    FunctionSpec(
        folder="call_provider",
        summary="Answers one batch with one variant, or asks one judge about it, from a vendor's queue.",
        memory_mb=1769,
        grants=(
            grants.use_key(),
            grants.read_items(),
            grants.write_items(),
            grants.write_item_batches(),
            *grants.read_objects("datasets", "ledger", "runs"),
            *grants.write_objects("ledger", "runs"),
            grants.consume_batches(),
            grants.send_batches(),
            grants.hand_back_results(),
            grants.read_provider_secrets(),
            grants.invoke_bedrock_models(),
        ),
    ),
    FunctionSpec(
        folder="poll_batches",
        summary="Looks after the jobs at the vendors' batch interfaces, each minute.",
        memory_mb=1769,
        # Less than the lease a poller has on a job (abtest.providers.batches.polling).
        timeout_s=300,
        grants=(
            grants.use_key(),
            grants.read_items(),
            grants.query_indexes(),
            grants.write_items(),
            grants.write_item_batches(),
            *grants.read_objects("ledger"),
            *grants.write_objects("ledger"),
            grants.send_batches(),
            grants.read_provider_secrets(),
        ),
    ),
    FunctionSpec(
        folder="judge_batch",
        summary="Scores the responses of one batch with one judge in code.",
        memory_mb=1769,
        # Imported scores are datasets.
        grants=(
            grants.use_key(),
            grants.write_items(),
            *grants.read_objects("datasets", "runs"),
            *grants.write_objects("runs"),
        ),
    ),
    FunctionSpec(
        folder="take_look",
        summary="Applies the declared design after a wave: another wave, or the end.",
        memory_mb=1769,
        layers=(STATISTICS,),
        grants=(
            grants.use_key(),
            grants.read_items(),
            grants.write_items(),
            *grants.read_objects("runs"),
            *grants.write_objects("runs"),
        ),
    ),
    FunctionSpec(
        folder="finish_run",
        summary="Analyses a run, writes its report and releases its budget.",
        memory_mb=3008,
        layers=(STATISTICS,),
        grants=(
            grants.use_key(),
            grants.read_items(),
            grants.write_items(),
            *grants.read_objects("runs"),
            *grants.write_objects("runs"),
        ),
    ),
    FunctionSpec(
        folder="fail_run",
        summary="Ends a run that failed: status, budget, report of what was done.",
        memory_mb=1769,
        grants=(
            grants.use_key(),
            grants.read_items(),
            grants.write_items(),
            *grants.read_objects("runs"),
            *grants.write_objects("runs"),
        ),
    ),
    FunctionSpec(
        folder="dead_letter",
        summary="Turns a message no worker could process into the failure of its task.",
        memory_mb=512,
        timeout_s=60,
        grants=(
            grants.use_key(),
            grants.write_items(),
            *grants.write_objects("dead-letters"),
            grants.consume_dead_letters(),
            grants.hand_back_failures(),
        ),
    ),
    FunctionSpec(
        folder="daily_analytics",
        summary="Writes the portfolio report of every workspace, once a day.",
        memory_mb=1769,
        grants=(
            grants.use_key(),
            grants.read_items(),
            grants.query_indexes(),
            *grants.read_objects("runs"),
            *grants.write_objects("portfolio"),
        ),
    ),
)


def environment_values(config: EnvironmentConfig, resources: ServiceResources, stack: Stack) -> dict[str, str | None]:
    """Return the value of each settings field, the same for every function that has the field.

    Args:
        config: the environment.
        resources: what functions use.
        stack: renders JSON that holds names only known at deployment.

    Returns:
        By field name; None leaves an optional field out.
    """
    stateful, budget_usd = resources.stateful, config.workspace_budget_usd
    return {
        "environment": config.name,
        "log_level": config.log_level,
        "table_name": stateful.table.table_name,
        "bucket_name": stateful.bucket.bucket_name,
        "queue_urls": stack.to_json_string({vendor: queue.queue_url for vendor, queue in resources.queues.items()}),
        "state_machine_arn": resources.state_machine.state_machine_arn,
        "user_pool_client_id": stateful.user_pool_client.user_pool_client_id,
        "issuer": stateful.issuer,
        "identity_endpoint_url": config.identity_endpoint_url,
        "secrets_prefix": resources.secrets_prefix,
        "allow_private_base_urls": json.dumps(config.allow_private_base_urls),
        "workspace_budget_usd": None if budget_usd is None else str(budget_usd),
        "batch_size": str(config.batch_size),
        "worker_max_concurrency": str(config.worker_max_concurrency),
        "message_lease_s": str(config.message_lease_s),
    }


def render_environment(
    spec: FunctionSpec,
    settings: type[BaseSettings],
    values: Mapping[str, str | None],
) -> dict[str, str]:
    """Return a function's environment variables: the fields of its settings class, each with its value.

    Args:
        spec: the function.
        settings: its class.
        values: by field name.

    Raises:
        FunctionEnvironmentError: a field has no value here, or a required one has None.
    """
    prefix = settings.model_config.get("env_prefix", "")
    rendered: dict[str, str] = {}
    for name, info in settings.model_fields.items():
        value = spec.folder if name == "service_name" else values.get(name)
        if value is not None:
            rendered[f"{prefix}{name}".upper()] = value
        elif info.is_required() or (name not in values):
            raise FunctionEnvironmentError(
                f"{settings.__name__}.{name} (functions/{spec.folder}) has no value. "
                f"Add {name!r} to environment_values in infra/functions.py, "
                "or remove the field from abtest/runtime/settings.py."
            )
    return rendered


def check_rows(settings: Mapping[str, type[BaseSettings]], values: Mapping[str, str | None]) -> None:
    """Refuse values for fields no function has, and functions without a row or without a class.

    Args:
        settings: the classes, by function folder.
        values: by field name.

    Raises:
        FunctionEnvironmentError: with the names.
    """
    known = {name for cls in settings.values() for name in cls.model_fields}
    unused = sorted(set(values) - known)
    if unused:
        raise FunctionEnvironmentError(
            f"infra/functions.py has values that no function's settings name: {', '.join(unused)}. "
            "Remove them from environment_values, or add the fields to abtest/runtime/settings.py."
        )
    rows = {spec.folder for spec in FUNCTIONS}
    lonely = sorted(rows ^ set(settings))
    if lonely:
        raise FunctionEnvironmentError(
            f"These functions stand in only one of FUNCTIONS (infra/functions.py) and SETTINGS "
            f"(abtest/runtime/settings.py): {', '.join(lonely)}. Each function needs both."
        )
