"""The stack that keeps state: key, table, bucket of bodies, user pool.

It is apart from the rest so that a deployment of code can never replace data; in an environment that retains data
everything here survives the deletion of the stack.

Depends on: aws-cdk-lib, `infra.constructs`. Used by: `infra.app`.
"""

from __future__ import annotations

from aws_cdk import CfnOutput, RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from infra.config import EnvironmentConfig
from infra.constructs.bodies import Bodies
from infra.constructs.people import People
from infra.resources import StatefulResources

PARTITION_KEY, SORT_KEY = "pk", "sk"
INDEX, INDEX_PARTITION_KEY, INDEX_SORT_KEY = "gsi1", "gsi1pk", "gsi1sk"
EXPIRES_AT = "expires_at"


class DataStack(Stack):
    """What outlives every deployment.

    Args:
        scope: the app.
        config: the environment.
    """

    def __init__(self, scope: Construct, *, config: EnvironmentConfig) -> None:
        name = config.stack_name("data")
        super().__init__(
            scope,
            name,
            stack_name=name,
            description=f"A/B testing for LLMs, {config.name}: table, bodies, people.",
            termination_protection=config.retain_data,
        )
        removal = RemovalPolicy.RETAIN if config.retain_data else RemovalPolicy.DESTROY
        key = self._key(removal)
        table = self._table(config, key, removal)
        bodies = Bodies(self, "Bodies", config=config, key=key, removal=removal)
        self.people = People(self, "People", config=config, removal=removal)
        self.resources = StatefulResources(
            key=key,
            table=table,
            bucket=bodies.bucket,
            user_pool=self.people.pool,
            user_pool_client=self.people.client,
            issuer=f"https://cognito-idp.{self.region}.{self.url_suffix}/{self.people.pool.user_pool_id}",
        )
        CfnOutput(self, "TableName", value=table.table_name)
        CfnOutput(self, "DataBucketName", value=bodies.bucket.bucket_name)
        CfnOutput(self, "UserPoolId", value=self.people.pool.user_pool_id)
        CfnOutput(self, "UserPoolClientId", value=self.people.client.user_pool_client_id)

    def _key(self, removal: RemovalPolicy) -> kms.Key:
        key = kms.Key(
            self,
            "Key",
            description="Encrypts all that the A/B testing platform stores.",
            enable_key_rotation=True,
            removal_policy=removal,
        )
        log_groups = f"arn:{self.partition}:logs:{self.region}:{self.account}:log-group:*"
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="LogsOfThisAccount",
                principals=[iam.ServicePrincipal(f"logs.{self.region}.{self.url_suffix}")],
                actions=["kms:Encrypt", "kms:Decrypt", "kms:ReEncrypt*", "kms:GenerateDataKey*", "kms:Describe*"],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
            )
        )
        key.add_to_resource_policy(
            iam.PolicyStatement(
                sid="AlarmsToEncryptedTopics",
                principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                resources=["*"],
                conditions={"StringEquals": {"aws:SourceAccount": self.account}},
            )
        )
        return key

    def _table(self, config: EnvironmentConfig, key: kms.Key, removal: RemovalPolicy) -> dynamodb.Table:
        def text(name: str) -> dynamodb.Attribute:
            return dynamodb.Attribute(name=name, type=dynamodb.AttributeType.STRING)

        table = dynamodb.Table(
            self,
            "Table",
            partition_key=text(PARTITION_KEY),
            sort_key=text(SORT_KEY),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            time_to_live_attribute=EXPIRES_AT,
            deletion_protection=config.retain_data,
            removal_policy=removal,
        )
        table.add_global_secondary_index(
            index_name=INDEX, partition_key=text(INDEX_PARTITION_KEY), sort_key=text(INDEX_SORT_KEY)
        )
        return table
