"""What the stacks hand to each other: the resources that functions use.

Depends on: aws-cdk-lib. Used by: `infra.functions`, `infra.grants`, the stacks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sqs as sqs
from aws_cdk import aws_stepfunctions as sfn


@dataclass(frozen=True)
class StatefulResources:
    """What outlives a deployment.

    Args:
        key: encrypts everything the platform stores.
        table: the one table.
        bucket: the one bucket of bodies.
        user_pool: the people who sign in.
        user_pool_client: the application they sign in to.
        issuer: address that signs the tokens of the user pool.
    """

    key: kms.IKey
    table: dynamodb.ITable
    bucket: s3.IBucket
    user_pool: cognito.IUserPool
    user_pool_client: cognito.IUserPoolClient
    issuer: str


@dataclass(frozen=True)
class ServiceResources:
    """What functions may be granted or told about.

    Args:
        stateful: what outlives a deployment.
        queues: by vendor.
        dead_letter_queues: by vendor.
        state_machine: the lifecycle.
        task_token_arns: what a right to answer a task token is given on.
        secrets_prefix: names of the providers' keys begin with it.
        secrets_arn: pattern of their ARNs.
    """

    stateful: StatefulResources
    queues: Mapping[str, sqs.IQueue]
    dead_letter_queues: Mapping[str, sqs.IQueue]
    state_machine: sfn.StateMachine
    task_token_arns: Sequence[str]
    secrets_prefix: str
    secrets_arn: str
