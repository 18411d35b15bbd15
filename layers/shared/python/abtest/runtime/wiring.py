"""The composition root: the only place that knows which adapter stands behind which port.

Clients are made on first use and kept for the life of the worker.

Depends on: adapters, settings. Used by: the functions.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from abtest.adapters.dynamodb.datasets import DynamoBudgetStore, DynamoDatasetStore
from abtest.adapters.dynamodb.ledger import DynamoLedger
from abtest.adapters.dynamodb.providers import DynamoProviderStore
from abtest.adapters.dynamodb.runs import DynamoRunStore
from abtest.adapters.dynamodb.shared_state import DynamoSharedState
from abtest.adapters.dynamodb.table import Table
from abtest.adapters.dynamodb.tests import DynamoTestStore
from abtest.adapters.objects import S3ObjectStore
from abtest.core.clock import SystemClock
from abtest.runtime.settings import SETTINGS, CommonSettings

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

    from abtest.adapters.dynamodb.batch_jobs import DynamoBatchJobStore
    from abtest.adapters.dynamodb.judge_templates import DynamoTemplateStore
    from abtest.adapters.http import HttpxTransport
    from abtest.adapters.queues import SqsBatchQueue
    from abtest.adapters.secrets import ProviderSecrets
    from abtest.adapters.workflow import StepFunctionsTasks, StepFunctionsWorkflow

# Retries of the SDK are few: a step that still fails is retried by Step Functions or its queue.
_CONFIG = Config(retries={"mode": "standard", "total_max_attempts": 3}, max_pool_connections=32)


_MAX_CONNECTIONS = 500
"""Of one worker; a provider's registration says how many calls are in flight, which is less."""


_LONGEST_RESULTS_BYTES = 32 * 1024 * 1024
"""Of one job at a batch interface: 300 KB an answer where a hundred are asked for at a time."""
_HISTORY_LIFETIME_S = 180 * 24 * 3600
"""A model that no run used for so long is counted anew."""


class Wiring:
    """Ports of one function, wired by its settings.

    Args:
        settings: of the function; a port whose setting it lacks cannot be had, and asking for it is a mistake in
            the code, told by AttributeError.
    """

    def __init__(self, settings: CommonSettings) -> None:
        self.settings: Any = settings
        self.clock = SystemClock()

    @cached_property
    def _table(self) -> Table:
        return Table(boto3.client("dynamodb", config=_CONFIG), self.settings.table_name)

    @cached_property
    def objects(self) -> S3ObjectStore:
        """Bodies."""
        # Path addressing and a regional, signed v4 address work on AWS and on an emulator alike.
        config = _CONFIG.merge(Config(signature_version="s3v4", s3={"addressing_style": "path"}))
        return S3ObjectStore(boto3.client("s3", config=config), self.settings.bucket_name)

    @cached_property
    def tests(self) -> DynamoTestStore:
        """Tests."""
        return DynamoTestStore(self._table)

    @cached_property
    def runs(self) -> DynamoRunStore:
        """Runs."""
        return DynamoRunStore(self._table)

    @cached_property
    def datasets(self) -> DynamoDatasetStore:
        """Datasets."""
        return DynamoDatasetStore(self._table)

    @cached_property
    def budgets(self) -> DynamoBudgetStore:
        """Budgets."""
        return DynamoBudgetStore(self._table)

    @cached_property
    def providers(self) -> DynamoProviderStore:
        """Registered providers."""
        return DynamoProviderStore(self._table)

    @cached_property
    def templates(self) -> DynamoTemplateStore:
        """Templates of judges."""
        from abtest.adapters.dynamodb.judge_templates import DynamoTemplateStore

        return DynamoTemplateStore(self._table)

    @cached_property
    def shared_state(self) -> DynamoSharedState:
        """Documents that workers share: the health of providers, their limits."""
        return DynamoSharedState(self._table, self.clock)

    @cached_property
    def model_history(self) -> DynamoSharedState:
        """What models used in earlier runs; kept longer than what only running workers share."""
        return DynamoSharedState(self._table, self.clock, lifetime_s=_HISTORY_LIFETIME_S)

    @cached_property
    def batch_jobs(self) -> DynamoBatchJobStore:
        """Jobs at the vendors' batch interfaces."""
        from abtest.adapters.dynamodb.batch_jobs import DynamoBatchJobStore

        return DynamoBatchJobStore(self._table, self.clock)

    @cached_property
    def workflow(self) -> StepFunctionsWorkflow:
        """Starts executions."""
        from abtest.adapters.workflow import StepFunctionsWorkflow

        return StepFunctionsWorkflow(boto3.client("stepfunctions", config=_CONFIG), self.settings.state_machine_arn)

    @cached_property
    def tasks(self) -> StepFunctionsTasks:
        """Hands task results back."""
        from abtest.adapters.workflow import StepFunctionsTasks

        return StepFunctionsTasks(boto3.client("stepfunctions", config=_CONFIG))

    @cached_property
    def queues(self) -> SqsBatchQueue:
        """The providers' queues."""
        from abtest.adapters.queues import SqsBatchQueue

        return SqsBatchQueue(boto3.client("sqs", config=_CONFIG))

    @cached_property
    def secrets(self) -> ProviderSecrets:
        """Provider keys."""
        from abtest.adapters.secrets import ProviderSecrets

        return ProviderSecrets(self.settings.secrets_prefix)

    @cached_property
    def event_loop(self) -> AbstractEventLoop:
        """The worker's one event loop, which outlives an invocation."""
        import asyncio

        return asyncio.new_event_loop()

    @cached_property
    def transport(self) -> HttpxTransport:
        """HTTP to providers, entered on the event loop for the life of the worker, so that connections are reused."""
        from abtest.adapters.http import LONGEST_BODY_BYTES

        return self._entered(LONGEST_BODY_BYTES)

    @cached_property
    def result_transport(self) -> HttpxTransport:
        """HTTP to batch interfaces: one reply holds the answers of a whole batch."""
        return self._entered(_LONGEST_RESULTS_BYTES)

    def _entered(self, longest_body_bytes: int) -> HttpxTransport:
        from abtest.adapters.http import HttpxTransport

        allow_private = self.settings.allow_private_base_urls
        transport = HttpxTransport(_MAX_CONNECTIONS, allow_private=allow_private, longest_body_bytes=longest_body_bytes)
        return self.event_loop.run_until_complete(transport.__aenter__())

    def ledger(self, workspace: str) -> DynamoLedger:
        """Return the ledger of a workspace."""
        return DynamoLedger(self._table, self.objects, workspace, self.clock)


@cache
def wiring(function: str) -> Wiring:
    """Return the wiring of a function, made once a worker.

    Args:
        function: its folder's name.
    """
    return Wiring(SETTINGS[function]())
