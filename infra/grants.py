"""The rights a function may have, each as actions on named resources.

They are data and not CDK `grant_*` calls because those add actions nobody asked for; a row in
`infra/functions.py` then reads as the complete list of what the function can do, and tests/infra compares it.

Depends on: `infra.resources`. Used by: `infra.functions`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aws_cdk import Aws

from infra.resources import ServiceResources


@dataclass(frozen=True)
class Grant:
    """Some actions on some resources.

    Args:
        actions: IAM action names, never with a wildcard.
        resources: gives the ARNs they are allowed on.
    """

    actions: tuple[str, ...]
    resources: Callable[[ServiceResources], Sequence[str]]


def read_items() -> Grant:
    """Read items by key and by partition; never scan."""
    return Grant(
        ("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query"), lambda r: [r.stateful.table.table_arn]
    )


def query_indexes() -> Grant:
    """Read lists from the indexes of the table."""
    return Grant(("dynamodb:Query",), lambda r: [f"{r.stateful.table.table_arn}/index/*"])


def write_items() -> Grant:
    """Write items, alone and in transactions; never delete: items expire."""
    return Grant(("dynamodb:PutItem", "dynamodb:UpdateItem"), lambda r: [r.stateful.table.table_arn])


def write_item_batches() -> Grant:
    """Write many items in one request."""
    return Grant(("dynamodb:BatchWriteItem",), lambda r: [r.stateful.table.table_arn])


def read_objects(*prefixes: str) -> tuple[Grant, ...]:
    """Read bodies under prefixes such as `runs`.

    The right to list goes with it: without it S3 answers a missing key with "forbidden" and not with "not found".
    """
    return (
        Grant(("s3:GetObject",), lambda r: [r.stateful.bucket.arn_for_objects(f"{p}/*") for p in prefixes]),
        Grant(("s3:ListBucket",), lambda r: [r.stateful.bucket.bucket_arn]),
    )


def write_objects(*prefixes: str) -> tuple[Grant, ...]:
    """Write bodies under prefixes such as `runs`."""
    return (Grant(("s3:PutObject",), lambda r: [r.stateful.bucket.arn_for_objects(f"{p}/*") for p in prefixes]),)


def use_key() -> Grant:
    """Decrypt and encrypt with the platform's key, which table, bucket and queues ask of their callers."""
    return Grant(
        ("kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", "kms:DescribeKey"), lambda r: [r.stateful.key.key_arn]
    )


def consume_batches() -> Grant:
    """Receive from the vendors' queues."""
    return Grant(_CONSUME, lambda r: [queue.queue_arn for queue in r.queues.values()])


def send_batches() -> Grant:
    """Put a batch back into its vendor's queue."""
    return Grant(("sqs:SendMessage",), lambda r: [queue.queue_arn for queue in r.queues.values()])


def consume_dead_letters() -> Grant:
    """Receive what no worker could process."""
    return Grant(_CONSUME, lambda r: [queue.queue_arn for queue in r.dead_letter_queues.values()])


def hand_back_results() -> Grant:
    """Answer a state that waits with a task token."""
    return Grant(("states:SendTaskSuccess", "states:SendTaskFailure"), lambda r: r.task_token_arns)


def hand_back_failures() -> Grant:
    """Fail a state that waits with a task token."""
    return Grant(("states:SendTaskFailure",), lambda r: r.task_token_arns)


def start_runs() -> Grant:
    """Start the lifecycle."""
    return Grant(("states:StartExecution",), lambda r: [r.state_machine.state_machine_arn])


def read_provider_secrets() -> Grant:
    """Read the providers' keys of this environment."""
    return Grant(("secretsmanager:GetSecretValue",), lambda r: [r.secrets_arn])


def invoke_bedrock_models() -> Grant:
    """Ask the models of Amazon Bedrock in the function's own name.

    AWS asks for this action for Converse as well. The region is the registration's, and an inference profile passes a
    call on to models in others; so models are named in every region, and profiles in every region of this account.
    """
    models = f"arn:{Aws.PARTITION}:bedrock:*::foundation-model/*"
    own = f"arn:{Aws.PARTITION}:bedrock:*:{Aws.ACCOUNT_ID}"
    arns = [models, f"{own}:inference-profile/*", f"{own}:application-inference-profile/*"]
    return Grant(("bedrock:InvokeModel",), lambda _: arns)


_CONSUME = (
    "sqs:ReceiveMessage",
    "sqs:DeleteMessage",
    "sqs:ChangeMessageVisibility",
    "sqs:GetQueueAttributes",
)
