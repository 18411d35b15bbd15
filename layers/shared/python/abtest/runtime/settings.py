"""The environment of each function, typed: one class a function, composed from small parts.

The infrastructure renders the variables from these very classes (`infra/functions.py`), so a field that is
added here without a value there fails the synthesis.

Depends on: pydantic-settings. Used by: `abtest.runtime.wiring`, `infra`.
"""

from __future__ import annotations

from decimal import Decimal

from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "ABTEST_"


class ObservabilitySettings(BaseSettings):
    """What logs, traces and metrics need; the defaults serve a process that is no function."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    service_name: str = "abtest"
    log_level: str = "INFO"


class CommonSettings(ObservabilitySettings):
    """What every function has."""

    environment: str
    service_name: str


class TableSettings(BaseSettings):
    """The one table."""

    __test__ = False

    table_name: str


class BucketSettings(BaseSettings):
    """The one bucket of bodies."""

    bucket_name: str


class QueueSettings(BaseSettings):
    """Where each vendor's batches go: vendor name to queue URL."""

    queue_urls: dict[str, str]


class AddressSettings(BaseSettings):
    """Whether providers may live on private and loopback addresses."""

    allow_private_base_urls: bool = False


class BudgetSettings(BaseSettings):
    """The most that all runs of one workspace may spend and reserve together; None is no limit."""

    workspace_budget_usd: Decimal | None = None


class ApiSettings(TableSettings, BucketSettings, AddressSettings, BudgetSettings, CommonSettings):
    """`functions/api`."""

    state_machine_arn: str
    user_pool_client_id: str
    issuer: str
    identity_endpoint_url: str | None = None
    worker_max_concurrency: int = 10


class PlanAnalysisSettings(TableSettings, BucketSettings, CommonSettings):
    """`functions/plan_analysis`."""


class AnalyseLabelsSettings(TableSettings, BucketSettings, CommonSettings):
    """`functions/analyse_labels`."""


class CheckProviderSettings(TableSettings, AddressSettings, CommonSettings):
    """`functions/check_provider`."""

    secrets_prefix: str


class TryJudgeSettings(TableSettings, AddressSettings, BudgetSettings, CommonSettings):
    """`functions/try_judge`."""

    secrets_prefix: str


class PlanRunSettings(TableSettings, BucketSettings, QueueSettings, BudgetSettings, CommonSettings):
    """`functions/plan_run`."""

    batch_size: int = 100


class CallProviderSettings(TableSettings, BucketSettings, QueueSettings, AddressSettings, CommonSettings):
    """`functions/call_provider`."""

    secrets_prefix: str
    message_lease_s: int = 30


class PollBatchesSettings(TableSettings, BucketSettings, AddressSettings, CommonSettings):
    """`functions/poll_batches`."""

    secrets_prefix: str


class JudgeBatchSettings(TableSettings, BucketSettings, CommonSettings):
    """`functions/judge_batch`."""


class TakeLookSettings(TableSettings, BucketSettings, CommonSettings):
    """`functions/take_look`."""


class FinishRunSettings(TableSettings, BucketSettings, CommonSettings):
    """`functions/finish_run`."""


class FailRunSettings(TableSettings, BucketSettings, CommonSettings):
    """`functions/fail_run`."""


class DeadLetterSettings(TableSettings, BucketSettings, CommonSettings):
    """`functions/dead_letter`."""


class DailyAnalyticsSettings(TableSettings, BucketSettings, CommonSettings):
    """`functions/daily_analytics`."""


SETTINGS: dict[str, type[CommonSettings]] = {
    "api": ApiSettings,
    "plan_analysis": PlanAnalysisSettings,
    "analyse_labels": AnalyseLabelsSettings,
    "check_provider": CheckProviderSettings,
    "try_judge": TryJudgeSettings,
    "plan_run": PlanRunSettings,
    "call_provider": CallProviderSettings,
    "poll_batches": PollBatchesSettings,
    "judge_batch": JudgeBatchSettings,
    "take_look": TakeLookSettings,
    "finish_run": FinishRunSettings,
    "fail_run": FailRunSettings,
    "dead_letter": DeadLetterSettings,
    "daily_analytics": DailyAnalyticsSettings,
}
"""Settings by function folder."""
