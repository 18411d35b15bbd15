"""What is stored: encrypted, reachable over TLS only, kept where it has to be kept."""

from __future__ import annotations

from typing import Any

import pytest
from templates import Environment, listed

from abtest.adapters.dynamodb import keys, ledger
from infra.config import ENVIRONMENTS
from infra.constructs.bodies import EXPIRING_FOLDERS
from infra.functions import FUNCTIONS
from infra.paths import vendors

pytestmark = pytest.mark.synth

STATEFUL = ("AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Cognito::UserPool")
KEY = "<Key.Arn>"


def refuses_plain_http(document: dict[str, Any]) -> bool:
    return any(
        s["Effect"] == "Deny"
        and s["Principal"] in ("*", {"AWS": "*"})
        and s.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
        for s in document["Statement"]
    )


def test_the_table_has_the_keys_the_adapter_spells(environment: Environment) -> None:
    table = environment.properties("AWS::DynamoDB::Table")["Table"]
    assert [k["AttributeName"] for k in table["KeySchema"]] == [keys.PARTITION, keys.SORT]
    (index,) = table["GlobalSecondaryIndexes"]
    assert index["IndexName"] == keys.INDEX
    assert [k["AttributeName"] for k in index["KeySchema"]] == [keys.INDEX_PARTITION, keys.INDEX_SORT]
    assert {a["AttributeType"] for a in table["AttributeDefinitions"]} == {"S"}
    assert table["TimeToLiveSpecification"] == {"AttributeName": keys.EXPIRES_AT, "Enabled": True}


def test_the_table_is_encrypted_backed_up_and_billed_by_request(environment: Environment) -> None:
    table = environment.properties("AWS::DynamoDB::Table")["Table"]
    assert table["SSESpecification"]["SSEEnabled"] is True
    assert environment.text(table["SSESpecification"]["KMSMasterKeyId"]) == KEY
    assert table["PointInTimeRecoverySpecification"]["PointInTimeRecoveryEnabled"] is True
    assert table["BillingMode"] == "PAY_PER_REQUEST"


def test_only_the_embedded_aws_is_spoken_to_without_tls() -> None:
    assert [name for name, config in ENVIRONMENTS.items() if config.embedded or not config.tls_only] == ["local"]


def test_the_key_rotates(environment: Environment) -> None:
    assert environment.properties("AWS::KMS::Key")["Key"]["EnableKeyRotation"] is True


def test_buckets_are_private_and_encrypted(environment: Environment) -> None:
    buckets = environment.properties("AWS::S3::Bucket")
    assert set(buckets) == {"BodiesData", "BodiesAccessLogs"}
    for name, bucket in buckets.items():
        assert all(bucket["PublicAccessBlockConfiguration"].values())
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        algorithm = rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"]
        assert algorithm == ("aws:kms" if name == "BodiesData" else "AES256")
    data = buckets["BodiesData"]
    (rule,) = data["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert environment.text(rule["ServerSideEncryptionByDefault"]["KMSMasterKeyID"]) == KEY
    assert rule["BucketKeyEnabled"] is True
    assert environment.text(data["LoggingConfiguration"]["DestinationBucketName"]) == "<BodiesAccessLogs>"


def test_buckets_queues_and_topic_refuse_plain_http(environment: Environment) -> None:
    for type_name, stores, field in (
        ("AWS::S3::BucketPolicy", "AWS::S3::Bucket", "Bucket"),
        ("AWS::SQS::QueuePolicy", "AWS::SQS::Queue", "Queues"),
        ("AWS::SNS::TopicPolicy", "AWS::SNS::Topic", "Topics"),
    ):
        safe = {
            environment.text(store)
            for policy in environment.properties(type_name).values()
            if refuses_plain_http(policy["PolicyDocument"])
            for store in listed(policy[field])
        }
        assert safe == (
            {f"<{name}>" for name in environment.resources(stores)} if environment.config.tls_only else set()
        )


def test_queues_and_topic_are_encrypted_with_the_key(environment: Environment) -> None:
    stores = environment.properties("AWS::SQS::Queue") | environment.properties("AWS::SNS::Topic")
    # A queue and a dead-letter queue for each vendor, the failures of the daily report, the topic of the alarms.
    assert len(stores) == 2 * len(vendors()) + 2
    assert {environment.text(store["KmsMasterKeyId"]) for store in stores.values()} == {KEY}


def test_every_log_is_encrypted_and_ends(environment: Environment) -> None:
    logs = environment.properties("AWS::Logs::LogGroup")
    assert len(logs) == len(FUNCTIONS) + 2
    for log in logs.values():
        assert environment.text(log["KmsKeyId"]) == KEY
        assert log["RetentionInDays"] == environment.config.log_retention_days


def test_stores_survive_their_stack__only_where_data_is_retained(environment: Environment) -> None:
    policy = "Retain" if environment.config.retain_data else "Delete"
    for type_name in STATEFUL:
        for resource in environment.resources(type_name).values():
            assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == policy
    for log in environment.resources("AWS::Logs::LogGroup").values():
        assert log["DeletionPolicy"] == policy


def test_data_cannot_be_deleted_by_mistake__in_prod(prod: Environment) -> None:
    assert prod.properties("AWS::DynamoDB::Table")["Table"]["DeletionProtectionEnabled"] is True
    assert prod.properties("AWS::Cognito::UserPool")["PeoplePool"]["DeletionProtection"] == "ACTIVE"
    assert prod.properties("AWS::S3::Bucket")["BodiesData"]["VersioningConfiguration"] == {"Status": "Enabled"}


def test_all_state_is_in_the_data_stack(environment: Environment) -> None:
    for type_name in STATEFUL:
        assert not environment.resources(type_name, "service", "operations")


def test_leftovers_of_the_bucket_go_away(environment: Environment) -> None:
    rules = environment.properties("AWS::S3::Bucket")["BodiesData"]["LifecycleConfiguration"]["Rules"]
    expiring = {r["Prefix"].rstrip("/"): r["ExpirationInDays"] for r in rules if "ExpirationInDays" in r}
    assert expiring == EXPIRING_FOLDERS
    assert not {"runs", "datasets"} & set(expiring)
    assert [r for r in rules if "AbortIncompleteMultipartUpload" in r]


def test_the_ledger_outlives_its_items_in_the_bucket(environment: Environment) -> None:
    assert EXPIRING_FOLDERS["ledger"] * 24 * 3600 > ledger.LIFETIME_S


def test_nobody_signs_up_alone_and_passwords_are_strong(environment: Environment) -> None:
    pool = environment.properties("AWS::Cognito::UserPool")["PeoplePool"]
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    policy = pool["Policies"]["PasswordPolicy"]
    assert policy["MinimumLength"] >= 14
    assert all(policy[f"Require{kind}"] for kind in ("Lowercase", "Uppercase", "Numbers", "Symbols"))
    assert pool["MfaConfiguration"] == ("OPTIONAL" if environment.config.mfa else "OFF")


def test_the_command_line_signs_in_without_a_secret(environment: Environment) -> None:
    (client,) = environment.properties("AWS::Cognito::UserPoolClient").values()
    assert client["GenerateSecret"] is False
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert set(client["ExplicitAuthFlows"]) == {"ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}
    groups = environment.properties("AWS::Cognito::UserPoolGroup").values()
    assert {g["GroupName"] for g in groups} == {"viewer", "experimenter", "admin"}
    first = min(groups, key=lambda g: g["Precedence"])
    assert first["GroupName"] == "admin"
