"""The bucket of bodies (datasets, responses, verdicts, reports) and the bucket of its access logs.

Depends on: aws-cdk-lib. Used by: `infra.stacks.data`.
"""

from __future__ import annotations

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from infra.config import EnvironmentConfig

ABANDONED_UPLOAD_DAYS = 7
EXPIRING_FOLDERS = {
    # The raw upload of a dataset is of no use once its rows are frozen under datasets/.
    "uploads": 7,
    # Long answers of the ledger; their items in the table expire after 30 days.
    "ledger": 31,
    "dead-letters": 90,
}
"""Folders of the bucket whose objects are only needed for some days."""


class Bodies(Construct):
    """Two private buckets.

    Args:
        scope: the stack.
        construct_id: its name there.
        config: the environment.
        key: encrypts the bodies.
        removal: what happens to the buckets when the stack goes. A bucket with objects in it is never deleted.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, config: EnvironmentConfig, key: kms.IKey, removal: RemovalPolicy
    ) -> None:
        super().__init__(scope, construct_id)
        self.access_logs = s3.Bucket(
            self,
            "AccessLogs",
            # S3 delivers access logs only into buckets with its own encryption.
            encryption=s3.BucketEncryption.S3_MANAGED,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=config.tls_only,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            lifecycle_rules=[s3.LifecycleRule(id="Expire", expiration=Duration.days(config.access_log_days))],
            removal_policy=removal,
        )
        self.bucket = s3.Bucket(
            self,
            "Data",
            encryption=s3.BucketEncryption.KMS,
            encryption_key=key,
            # One data key for many objects: without it every small batch object costs a request to KMS.
            bucket_key_enabled=True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            enforce_ssl=config.tls_only,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=config.versioned_bodies,
            server_access_logs_bucket=self.access_logs,
            server_access_logs_prefix="data/",
            lifecycle_rules=_lifecycle(config),
            removal_policy=removal,
        )


def _lifecycle(config: EnvironmentConfig) -> list[s3.LifecycleRule]:
    rules = [
        s3.LifecycleRule(
            id="AbandonedUploads", abort_incomplete_multipart_upload_after=Duration.days(ABANDONED_UPLOAD_DAYS)
        ),
        *(
            s3.LifecycleRule(id=f"Expire-{folder}", prefix=f"{folder}/", expiration=Duration.days(days))
            for folder, days in EXPIRING_FOLDERS.items()
        ),
    ]
    if config.versioned_bodies:
        rules.append(
            s3.LifecycleRule(
                id="OverwrittenBodies",
                noncurrent_version_expiration=Duration.days(config.noncurrent_version_days),
            )
        )
    return rules
