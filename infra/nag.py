"""The policy check (cdk-nag, AWS Solutions) and every finding that is accepted, with its reason.

Findings are accepted on the construct that has them. Wildcards are accepted one pattern at a time: a right with
another wildcard fails the synthesis until it is listed here.

Depends on: cdk-nag. Used by: `infra.app`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from aws_cdk import Acknowledgment, App, CfnResource, Stack, Validations
from cdk_nag import AwsSolutionsChecks

if TYPE_CHECKING:
    from constructs import IConstruct

    from infra.config import EnvironmentConfig
    from infra.stacks.data import DataStack
    from infra.stacks.service import ServiceStack

PACK = "AwsSolutions"

_PEOPLE = {
    "COG2": "One-time passwords are offered and not forced: whether people must have a second factor is the "
    "operator's policy, and machines sign in with AWS credentials.",
    "COG8": "Threat protection is billed per user; an operator who wants it changes the pool's plan.",
}
_FUNCTIONS = {
    "L1": "The layers are compiled for Python 3.13; the runtime changes together with them.",
    "IAM5[Resource::*]": "X-Ray has no resources to name; nor have task tokens in the embedded AWS.",
}
_ANY_MODEL = "Registrations and tests say which model is asked, and in which region; the action is the boundary."
_FUNCTION_WILDCARDS = {
    "{table}/index/*": "Every index of the one table.",
    "{bucket}/uploads/*": "Keys of objects are made at run time; the folder is the boundary.",
    "{bucket}/datasets/*": "Keys of objects are made at run time; the folder is the boundary.",
    "{bucket}/runs/*": "Keys of objects are made at run time; the folder is the boundary.",
    "{bucket}/labels/*": "Keys of objects are made at run time; the folder is the boundary.",
    "{bucket}/ledger/*": "Keys of objects are made at run time; the folder is the boundary.",
    "{bucket}/dead-letters/*": "Keys of objects are made at run time; the folder is the boundary.",
    "{bucket}/portfolio/*": "Keys of objects are made at run time; the folder is the boundary.",
    "{machine}/*": "Children of the Distributed Maps are MACHINE/LABEL and come into being with the machine.",
    "arn:<AWS::Partition>:secretsmanager:<AWS::Region>:<AWS::AccountId>:secret:abtest/{environment}/providers/*": (
        "Administrators name the secrets of their providers; the prefix is the boundary."
    ),
    "arn:<AWS::Partition>:bedrock:*::foundation-model/*": _ANY_MODEL,
    "arn:<AWS::Partition>:bedrock:*:<AWS::AccountId>:inference-profile/*": _ANY_MODEL,
    "arn:<AWS::Partition>:bedrock:*:<AWS::AccountId>:application-inference-profile/*": _ANY_MODEL,
}
_LIFECYCLE = {
    "SF1": "Only failures are logged: every event of every batch would cost more than the run, and X-Ray has the rest.",
    "IAM5[Resource::*]": "Log delivery and X-Ray have no resources to name.",
}
_LIFECYCLE_WILDCARDS = {
    "{bucket}/runs/*/waves/*/*.jsonl": "Manifests of runs that come into being later.",
    "{bucket}/runs/*/maps/*": "Results of the maps of runs that come into being later.",
    "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<{machine_id}.Name>:*": (
        "Executions of this machine only."
    ),
    "arn:<AWS::Partition>:states:<AWS::Region>:<AWS::AccountId>:execution:<{machine_id}.Name>/*": (
        "Executions of this machine's maps only."
    ),
}
_PLAIN_HTTP = dict.fromkeys(
    ("S10", "SQS4", "SNS3"), "The embedded AWS serves plain HTTP on loopback; every environment on AWS refuses it."
)
_API = {"APIG4": "GET /v1/health is open: it says where to sign in, and nothing else."}


def check(app: App) -> None:
    """Let the synthesis fail on findings."""
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))


def acknowledge(data: DataStack, service: ServiceStack, operations: Stack, config: EnvironmentConfig) -> None:
    """Accept what is meant to be so.

    Args:
        data: its people.
        service: its functions, lifecycle and API.
        operations: its topic.
        config: the environment.
    """
    machine_id = _logical_id(service.lifecycle.machine)
    names = {
        "environment": config.name,
        "machine_id": machine_id,
        "machine": f"<{machine_id}>",
        "table": _import_name(data, data.resources.table.table_arn),
        "bucket": _import_name(data, data.resources.bucket.bucket_arn),
    }
    _accept(data.people, _PEOPLE)
    _accept(service.function_scope, {**_FUNCTIONS, **_patterns(_FUNCTION_WILDCARDS, names)})
    _accept(service.lifecycle, {**_LIFECYCLE, **_patterns(_LIFECYCLE_WILDCARDS, names)})
    _accept(service.api, _API)
    if not config.tls_only:
        for stack in (data, service, operations):
            _accept(stack, _PLAIN_HTTP)


def _accept(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    Validations.of(construct).acknowledge(
        *(Acknowledgment(id=f"{PACK}::{PACK}-{rule}", reason=reason) for rule, reason in reasons.items())
    )


def _patterns(wildcards: Mapping[str, str], names: Mapping[str, str]) -> dict[str, str]:
    return {f"IAM5[Resource::{pattern.format(**names)}]": reason for pattern, reason in wildcards.items()}


def _logical_id(construct: IConstruct) -> str:
    resource = construct.node.default_child
    assert isinstance(resource, CfnResource)
    return str(Stack.of(construct).resolve(resource.logical_id))


def _import_name(stack: Stack, value: str) -> str:
    """Return the name under which another stack imports a value, which is how cdk-nag prints it."""
    return str(stack.resolve(stack.export_value(value))["Fn::ImportValue"])
