"""The environments: everything that differs between them, in one frozen record each.

A new environment is one entry in `ENVIRONMENTS`. Nothing else in infra asks for an environment's name.

Depends on: `infra.errors`. Used by: `infra.app`, the stacks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from infra.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True)
class EnvironmentConfig:
    """One environment.

    Args:
        name: part of the stack names `abtest-NAME-data`, `-service`, `-operations`.
        embedded: for the embedded AWS, which runs on one machine and is thrown away. When it enforces policies, two of
            them would stop everything there: it serves plain HTTP on loopback, and it knows no resources for task
            tokens. Both are as strict as can be everywhere else.
        retain_data: keep table, bucket, key and user pool when the stack goes, and protect them from deletion.
        versioned_bodies: keep overwritten S3 objects for `noncurrent_version_days`.
        noncurrent_version_days: days an overwritten object is kept.
        access_log_days: days the bucket's server access logs are kept.
        log_retention_days: days of CloudWatch Logs; one of the values CloudWatch allows.
        log_level: of the functions.
        bundle_dependencies: attach the layers of third-party packages. Locally the emulator's workers see its own
            packages, so that nothing need be built.
        worker_timeout_s: longest invocation of a step or worker, in seconds; at most 900.
        visibility_timeout_s: how long a received message stays hidden; at least `worker_timeout_s`.
        worker_max_concurrency: workers on one vendor's queue at a time; 2 to 1000.
        message_lease_s: lease a worker renews on its message, so that a dead worker's batch returns soon.
        batch_size: samples one worker takes at a time.
        generate_max_concurrency: batches of a run that wait in queues at a time, of variants or of judges.
        judge_max_concurrency: steps of judges in code of a run at a time.
        allow_private_base_urls: whether a provider may live on a private or loopback address.
        workspace_budget_usd: most that all runs of a workspace may spend and reserve together; None is no limit.
        mfa: offer time-based one-time passwords at sign-in.
        api_rate_per_s: steady requests per second the API lets through.
        api_burst: requests the API lets through at once.
        identity_endpoint_url: where clients sign in when it is not the region's own Cognito endpoint.
        alarm_email: who gets the alarms; None leaves the topic without subscription.
        failed_runs_alarm: failed runs within 15 minutes that raise the alarm.
    """

    name: str
    embedded: bool = False
    retain_data: bool = False
    versioned_bodies: bool = False
    noncurrent_version_days: int = 30
    access_log_days: int = 90
    log_retention_days: int = 30
    log_level: str = "INFO"
    bundle_dependencies: bool = True
    worker_timeout_s: int = 900
    visibility_timeout_s: int = 960
    worker_max_concurrency: int = 10
    message_lease_s: int = 30
    batch_size: int = 100
    generate_max_concurrency: int = 100
    judge_max_concurrency: int = 20
    allow_private_base_urls: bool = False
    workspace_budget_usd: Decimal | None = None
    mfa: bool = True
    api_rate_per_s: int = 1000
    api_burst: int = 2000
    identity_endpoint_url: str | None = None
    alarm_email: str | None = None
    failed_runs_alarm: int = 5

    def __post_init__(self) -> None:
        """Refuse values that AWS refuses only minutes into a deployment.

        Raises:
            ConfigurationError: a value is outside what AWS allows; the message names the field and the range.
        """
        for field, value, low, high in (
            ("worker_timeout_s", self.worker_timeout_s, 1, 900),
            ("visibility_timeout_s", self.visibility_timeout_s, self.worker_timeout_s, 43_200),
            ("worker_max_concurrency", self.worker_max_concurrency, 2, 1000),
            ("message_lease_s", self.message_lease_s, 1, self.visibility_timeout_s),
        ):
            if not low <= value <= high:
                raise ConfigurationError(
                    f"Environment {self.name!r} in infra/config.py: {field} is {value}; allowed are {low} to {high}."
                )

    @property
    def tls_only(self) -> bool:
        """Whether buckets, queues and the topic refuse plain HTTP."""
        return not self.embedded

    def stack_name(self, part: str) -> str:
        """Return the name of one of the environment's stacks: `data`, `service` or `operations`."""
        return f"abtest-{self.name}-{part}"


def _by_name(*configs: EnvironmentConfig) -> Mapping[str, EnvironmentConfig]:
    return {config.name: config for config in configs}


ENVIRONMENTS: Mapping[str, EnvironmentConfig] = _by_name(
    EnvironmentConfig(
        name="local",
        embedded=True,
        log_retention_days=1,
        bundle_dependencies=False,
        worker_timeout_s=120,
        visibility_timeout_s=130,
        message_lease_s=12,
        # Each worker is a process of its own, and a cold start costs more than the parallelism of a third gives.
        worker_max_concurrency=2,
        generate_max_concurrency=50,
        judge_max_concurrency=2,
        allow_private_base_urls=True,
        mfa=False,
    ),
    EnvironmentConfig(name="dev"),
    EnvironmentConfig(name="staging", versioned_bodies=True, log_retention_days=90),
    EnvironmentConfig(
        name="prod",
        retain_data=True,
        versioned_bodies=True,
        access_log_days=365,
        log_retention_days=365,
        failed_runs_alarm=3,
    ),
)
DEFAULT_ENVIRONMENT = "dev"
ALL_ENVIRONMENTS = "all"


def chosen(name: str) -> tuple[EnvironmentConfig, ...]:
    """Return the environments a name stands for: one, or every one for `all`.

    Raises:
        ConfigurationError: no environment has that name; the message lists them.
    """
    if name == ALL_ENVIRONMENTS:
        return tuple(ENVIRONMENTS.values())
    if name not in ENVIRONMENTS:
        known = ", ".join([*ENVIRONMENTS, ALL_ENVIRONMENTS])
        raise ConfigurationError(
            f"There is no environment {name!r}. Known: {known}. Choose one with `-c environment=NAME`, "
            "or add an entry to ENVIRONMENTS in infra/config.py."
        )
    return (ENVIRONMENTS[name],)
