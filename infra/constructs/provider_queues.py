"""The queues batches wait in: one for each provider vendor, with a dead-letter queue each.

Depends on: aws-cdk-lib. Used by: `infra.stacks.service`.
"""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from infra.config import EnvironmentConfig
from infra.constructs.function import construct_name

MAX_RECEIVES = 3
RETENTION = Duration.days(14)


class ProviderQueues(Construct):
    """One vendor's batches never wait behind another's.

    Args:
        scope: the stack.
        construct_id: its name there.
        config: the environment.
        key: encrypts the messages.
        vendors: names of the vendors.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        config: EnvironmentConfig,
        key: kms.IKey,
        vendors: tuple[str, ...],
    ) -> None:
        super().__init__(scope, construct_id)
        self.queues: dict[str, sqs.Queue] = {}
        self.dead_letter_queues: dict[str, sqs.Queue] = {}
        for vendor in vendors:
            name = construct_name(vendor)
            dead = encrypted_queue(
                self, f"{name}DeadLetters", key=key, visibility=Duration.seconds(360), tls_only=config.tls_only
            )
            self.dead_letter_queues[vendor] = dead
            self.queues[vendor] = encrypted_queue(
                self,
                name,
                key=key,
                visibility=Duration.seconds(config.visibility_timeout_s),
                tls_only=config.tls_only,
                dead_letter_queue=sqs.DeadLetterQueue(queue=dead, max_receive_count=MAX_RECEIVES),
            )


def encrypted_queue(
    scope: Construct,
    construct_id: str,
    *,
    key: kms.IKey,
    visibility: Duration,
    tls_only: bool,
    dead_letter_queue: sqs.DeadLetterQueue | None = None,
) -> sqs.Queue:
    """Return a standard queue that is encrypted.

    Args:
        scope: where it belongs.
        construct_id: its name there.
        key: encrypts the messages.
        visibility: how long a received message stays hidden.
        tls_only: refuse plain HTTP.
        dead_letter_queue: where messages go that nobody could process.
    """
    return sqs.Queue(
        scope,
        construct_id,
        encryption=sqs.QueueEncryption.KMS,
        encryption_master_key=key,
        # Each call to KMS costs; an hour is how long a leaked data key would live.
        data_key_reuse=Duration.hours(1),
        enforce_ssl=tls_only,
        visibility_timeout=visibility,
        retention_period=RETENTION,
        dead_letter_queue=dead_letter_queue,
        removal_policy=RemovalPolicy.DESTROY,
    )
