"""The stack that serves: functions, queues, state machine, API, schedule. It keeps nothing and can be replaced.

Depends on: `infra.constructs`, `infra.functions`. Used by: `infra.app`.
"""

from __future__ import annotations

from aws_cdk import CfnOutput, Duration, RemovalPolicy, Stack
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from abtest.runtime.settings import SETTINGS
from infra.config import EnvironmentConfig
from infra.constructs.daily import Daily
from infra.constructs.function import PlatformFunction, construct_name
from infra.constructs.http_api import Api
from infra.constructs.layers import Layers
from infra.constructs.lifecycle import STEPS, Lifecycle
from infra.constructs.polling import Polling
from infra.constructs.provider_queues import ProviderQueues, encrypted_queue
from infra.errors import ConfigurationError
from infra.functions import FUNCTIONS, check_rows, environment_values, render_environment
from infra.paths import vendors
from infra.resources import ServiceResources, StatefulResources

ASYNCHRONOUS = "daily_analytics"
WORKER, POLLER, UNDERTAKER = "call_provider", "poll_batches", "dead_letter"


class ServiceStack(Stack):
    """Everything that runs.

    Args:
        scope: the app.
        config: the environment.
        stateful: what the data stack keeps.
    """

    def __init__(self, scope: Construct, *, config: EnvironmentConfig, stateful: StatefulResources) -> None:
        name = config.stack_name("service")
        super().__init__(
            scope,
            name,
            stack_name=name,
            description=f"A/B testing for LLMs, {config.name}: API, workflow, workers.",
            termination_protection=config.retain_data,
        )
        self._config, self._stateful = config, stateful
        self.provider_queues = ProviderQueues(self, "Queues", config=config, key=stateful.key, vendors=vendors())
        self.daily_failures = encrypted_queue(
            self, "DailyFailures", key=stateful.key, visibility=Duration.seconds(30), tls_only=config.tls_only
        )
        self.functions = self._functions()
        self.lifecycle = Lifecycle(
            self,
            "Lifecycle",
            config=config,
            stateful=stateful,
            functions={step: self.functions[step].function for step in STEPS},
            queues=self.provider_queues.queues,
            log_group=self._log_group("LifecycleLog"),
        )
        self._grant_and_configure()
        self._connect_queues()
        self.api = Api(
            self,
            "HttpApi",
            config=config,
            stateful=stateful,
            handler=self.functions["api"].function,
            planner=self.functions["plan_analysis"].function,
            checker=self.functions["check_provider"].function,
            trier=self.functions["try_judge"].function,
            labels=self.functions["analyse_labels"].function,
            log_group=self._log_group("ApiAccessLog"),
        )
        Daily(
            self,
            "Daily",
            handler=self.functions[ASYNCHRONOUS].function,
            failures=self.daily_failures,
            key=stateful.key,
        )
        Polling(self, "Polling", handler=self.functions[POLLER].function)
        self._outputs()

    def _log_group(self, construct_id: str) -> logs.LogGroup:
        return logs.LogGroup(
            self,
            construct_id,
            retention=_retention(self._config.log_retention_days),
            encryption_key=self._stateful.key,
            removal_policy=RemovalPolicy.RETAIN if self._config.retain_data else RemovalPolicy.DESTROY,
        )

    def _functions(self) -> dict[str, PlatformFunction]:
        layers = Layers(self, "Layers", config=self._config)
        self.function_scope = Construct(self, "Functions")
        return {
            spec.folder: PlatformFunction(
                self.function_scope,
                spec=spec,
                config=self._config,
                layers=layers.of(spec),
                log_group=self._log_group(f"{construct_name(spec.folder)}Log"),
                failures=self.daily_failures if spec.folder == ASYNCHRONOUS else None,
            )
            for spec in FUNCTIONS
        }

    def _grant_and_configure(self) -> None:
        """Give every function its rights and its environment.

        Only now, because some of both name the state machine, which names functions.
        """
        prefix = f"abtest/{self._config.name}/providers/"
        resources = ServiceResources(
            stateful=self._stateful,
            queues=self.provider_queues.queues,
            dead_letter_queues=self.provider_queues.dead_letter_queues,
            state_machine=self.lifecycle.machine,
            task_token_arns=self._task_token_arns(),
            secrets_prefix=prefix,
            secrets_arn=f"arn:{self.partition}:secretsmanager:{self.region}:{self.account}:secret:{prefix}*",
        )
        values = environment_values(self._config, resources, self)
        check_rows(SETTINGS, values)
        for folder, function in self.functions.items():
            function.grant(function.spec.grants, resources)
            for variable, text in render_environment(function.spec, SETTINGS[folder], values).items():
                function.function.add_environment(variable, text)

    def _task_token_arns(self) -> list[str]:
        if self._config.embedded:
            return ["*"]
        machine = self.lifecycle.machine.state_machine_arn
        # Children of a Distributed Map belong to MACHINE/LABEL.
        return [machine, f"{machine}/*"]

    def _connect_queues(self) -> None:
        """Let workers take from the queues, one batch each."""
        for vendor, queue in self.provider_queues.queues.items():
            lambda_.EventSourceMapping(
                self,
                f"{construct_name(vendor)}Batches",
                target=self.functions[WORKER].function,
                event_source_arn=queue.queue_arn,
                batch_size=1,
                max_concurrency=self._config.worker_max_concurrency,
                report_batch_item_failures=True,
            )
        for vendor, queue in self.provider_queues.dead_letter_queues.items():
            lambda_.EventSourceMapping(
                self,
                f"{construct_name(vendor)}Undeliverable",
                target=self.functions[UNDERTAKER].function,
                event_source_arn=queue.queue_arn,
                batch_size=1,
                report_batch_item_failures=True,
            )

    def _outputs(self) -> None:
        names = {folder: function.function.function_name for folder, function in self.functions.items()}
        CfnOutput(self, "ApiId", value=self.api.api.api_id)
        CfnOutput(self, "ApiUrl", value=self.api.api.api_endpoint)
        CfnOutput(self, "StateMachineArn", value=self.lifecycle.machine.state_machine_arn)
        CfnOutput(self, "FunctionNames", value=self.to_json_string(names))


def _retention(days: int) -> logs.RetentionDays:
    """Return CloudWatch's name for a number of days.

    Raises:
        ConfigurationError: CloudWatch does not offer it.
    """
    allowed = {
        1: logs.RetentionDays.ONE_DAY,
        7: logs.RetentionDays.ONE_WEEK,
        14: logs.RetentionDays.TWO_WEEKS,
        30: logs.RetentionDays.ONE_MONTH,
        90: logs.RetentionDays.THREE_MONTHS,
        180: logs.RetentionDays.SIX_MONTHS,
        365: logs.RetentionDays.ONE_YEAR,
    }
    if days not in allowed:
        raise ConfigurationError(
            f"log_retention_days in infra/config.py is {days}; allowed are {', '.join(map(str, allowed))}."
        )
    return allowed[days]
