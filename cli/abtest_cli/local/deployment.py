"""Deploying the synthesised application into the embedded AWS, as `cdk deploy` does it on AWS.

Assets go to their buckets, the bootstrap version to its parameter, then every stack is created or updated in the order
of its dependencies.

Depends on: `assembly`, `assets`, `clients`. Used by: `stack`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from abtest_cli.local.assembly import Assembly, Asset, Stack
from abtest_cli.local.assets import package
from abtest_cli.local.errors import DeploymentError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation.type_defs import StackTypeDef, TagTypeDef

    from abtest_cli.local.clients import Clients

_POLL_S = 0.05
_TIMEOUT_S = 300.0
_GOOD = ("CREATE_COMPLETE", "UPDATE_COMPLETE")
# A stack that failed before it ever stood cannot be updated, only made anew.
_UNUSABLE = ("ROLLBACK_COMPLETE", "CREATE_FAILED", "ROLLBACK_FAILED", "DELETE_FAILED")


def publish(clients: Clients, assembly: Assembly) -> None:
    """Upload the assets and set the bootstrap version.

    Args:
        clients: of the embedded AWS.
        assembly: what was synthesised.

    Raises:
        DeploymentError: the embedded AWS refused.
    """
    try:
        for bucket in sorted({asset.bucket for asset in assembly.assets}):
            with contextlib.suppress(clients.s3.exceptions.BucketAlreadyOwnedByYou):
                clients.s3.create_bucket(Bucket=bucket)
        for parameter, version in {s.bootstrap_parameter: s.bootstrap_version for s in assembly.stacks}.items():
            clients.ssm.put_parameter(Name=parameter, Value=str(version), Type="String", Overwrite=True)
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix="upload") as pool:
            list(pool.map(lambda asset: _upload(clients, asset), assembly.assets))
    except (ClientError, BotoCoreError) as error:
        raise DeploymentError(f"The assets could not be uploaded to the embedded AWS: {error}.") from error


def _upload(clients: Clients, asset: Asset) -> None:
    content = package(asset.path) if asset.path.is_dir() else asset.path.read_bytes()
    clients.s3.put_object(Bucket=asset.bucket, Key=asset.key, Body=content)


def deploy(clients: Clients, stack: Stack) -> dict[str, str]:
    """Create or update one stack and wait until it stands.

    Args:
        clients: of the embedded AWS.
        stack: what to deploy; its assets are uploaded.

    Returns:
        The stack's outputs.

    Raises:
        DeploymentError: it failed; the reason of every failed resource is in the message.
    """
    try:
        present = _describe(clients, stack.name)
        if present is not None and present["StackStatus"] in _UNUSABLE:
            clients.cloudformation.delete_stack(StackName=stack.name)
            _wait(clients, stack.name)
            present = None
        changed = _create(clients, stack) if present is None else _update(clients, stack)
        final = _wait(clients, stack.name) if changed else present
    except (ClientError, BotoCoreError) as error:
        raise DeploymentError(f"Stack {stack.name} could not be deployed: {error}.") from error
    if final is None or (changed and final["StackStatus"] not in _GOOD):
        raise DeploymentError(_reasons(clients, stack.name, final))
    return {output["OutputKey"]: output["OutputValue"] for output in final.get("Outputs", [])}


def _describe(clients: Clients, name: str) -> StackTypeDef | None:
    try:
        stacks = clients.cloudformation.describe_stacks(StackName=name)["Stacks"]
    except ClientError as error:
        if error.response["Error"]["Code"] == "ValidationError":
            return None
        raise
    return stacks[0] if stacks and stacks[0]["StackStatus"] != "DELETE_COMPLETE" else None


def _create(clients: Clients, stack: Stack) -> bool:
    clients.cloudformation.create_stack(
        StackName=stack.name,
        TemplateURL=stack.template_url,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()],
        Tags=_tags(stack.tags),
        Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        OnFailure="DO_NOTHING",
    )
    return True


def _update(clients: Clients, stack: Stack) -> bool:
    try:
        clients.cloudformation.update_stack(
            StackName=stack.name,
            TemplateURL=stack.template_url,
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in stack.parameters.items()],
            Tags=_tags(stack.tags),
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
    except ClientError as error:
        if "No updates are to be performed" in str(error):
            return False
        raise
    return True


def _tags(tags: Mapping[str, str]) -> list[TagTypeDef]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _wait(clients: Clients, name: str) -> StackTypeDef | None:
    deadline = time.monotonic() + _TIMEOUT_S
    while True:
        found = _describe(clients, name)
        if found is None or not found["StackStatus"].endswith("_IN_PROGRESS"):
            return found
        if time.monotonic() > deadline:
            raise DeploymentError(
                f"Stack {name} was still {found['StackStatus']} after {_TIMEOUT_S:.0f} s. "
                "Run `abtest down`, then `abtest up`; if it happens again, read the emulator's log in the logs folder."
            )
        time.sleep(_POLL_S)


def _reasons(clients: Clients, name: str, final: StackTypeDef | None) -> str:
    status = final["StackStatus"] if final else "gone"
    lines: list[str] = []
    with contextlib.suppress(ClientError, BotoCoreError):
        for event in clients.cloudformation.describe_stack_events(StackName=name)["StackEvents"]:
            if event.get("ResourceStatus", "").endswith("_FAILED"):
                resource = f"{event.get('LogicalResourceId')} ({event.get('ResourceType')})"
                lines.append(f"  {resource}: {event.get('ResourceStatusReason', 'no reason given')}")
    if not lines and final:
        lines.append(f"  {final.get('StackStatusReason', 'no reason given')}")
    listing = "\n".join(dict.fromkeys(lines))
    return (
        f"Stack {name} could not be deployed (it is {status}). What failed:\n{listing}\n"
        "Correct it in infra/ or functions/ and run `abtest up` again."
    )
