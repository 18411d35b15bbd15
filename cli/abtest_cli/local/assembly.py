"""What the synthesis wrote, read back: stacks in the order of their dependencies, and their assets.

Source: the CDK cloud assembly schema: `manifest.json` and `*.assets.json`.
Depends on: nothing. Used by: `deployment`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import Any

from abtest_cli.local.errors import SynthesisError
from abtest_cli.local.options import ACCOUNT, REGION

_BOOTSTRAP_PARAMETER = "/cdk-bootstrap/hnb659fds/version"


@dataclass(frozen=True)
class Asset:
    """One file to upload.

    Args:
        path: file, or folder to be packed.
        bucket: where to.
        key: under which name; contains the hash of the content.
    """

    path: Path
    bucket: str
    key: str


@dataclass(frozen=True)
class Stack:
    """One template to deploy.

    Args:
        name: of the stack.
        bucket: where its template is uploaded.
        key: under which name.
        parameters: values for the template's parameters.
        tags: of the stack.
        bootstrap_parameter: SSM parameter the template reads the bootstrap version from.
        bootstrap_version: the version it asks for at least.
    """

    name: str
    bucket: str
    key: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    bootstrap_parameter: str = _BOOTSTRAP_PARAMETER
    bootstrap_version: int = 6

    @property
    def template_url(self) -> str:
        """Path-style address: the embedded AWS refuses the other style."""
        return f"https://s3.{REGION}.amazonaws.com/{self.bucket}/{self.key}"


@dataclass(frozen=True)
class Assembly:
    """A synthesised application.

    Args:
        assets: each file once.
        stacks: in the order to deploy.
    """

    assets: tuple[Asset, ...]
    stacks: tuple[Stack, ...]


def _resolved(text: str) -> str:
    for name, value in (("AccountId", ACCOUNT), ("Region", REGION), ("Partition", "aws")):
        text = text.replace(f"${{AWS::{name}}}", value)
    return text


def _assets(folder: Path, file: Path) -> list[Asset]:
    found = []
    for entry in json.loads(file.read_text(encoding="utf-8")).get("files", {}).values():
        source = entry["source"]
        for destination in entry["destinations"].values():
            found.append(
                Asset(
                    path=folder / source["path"],
                    bucket=_resolved(destination["bucketName"]),
                    key=_resolved(destination["objectKey"]),
                )
            )
    return found


def _stack(name: str, artifact: Mapping[str, Any]) -> Stack:
    properties = artifact["properties"]
    bucket, _, key = _resolved(properties["stackTemplateAssetObjectUrl"]).removeprefix("s3://").partition("/")
    return Stack(
        name=properties.get("stackName") or name,
        bucket=bucket,
        key=key,
        parameters=properties.get("parameters", {}),
        tags=properties.get("tags", {}),
        bootstrap_parameter=properties.get("bootstrapStackVersionSsmParameter", _BOOTSTRAP_PARAMETER),
        bootstrap_version=int(properties.get("requiresBootstrapStackVersion", 6)),
    )


def read(folder: Path) -> Assembly:
    """Read a cloud assembly.

    Args:
        folder: holds `manifest.json`.

    Raises:
        SynthesisError: it is incomplete or its stacks depend on each other in a circle.
    """
    try:
        artifacts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
        order = TopologicalSorter({name: item.get("dependencies", []) for name, item in artifacts.items()})
        names = [name for name in order.static_order() if name in artifacts]
        assets: dict[tuple[str, str], Asset] = {}
        for name in names:
            if artifacts[name]["type"] == "cdk:asset-manifest":
                for asset in _assets(folder, folder / artifacts[name]["properties"]["file"]):
                    assets[asset.bucket, asset.key] = asset
        stacks = [_stack(n, artifacts[n]) for n in names if artifacts[n]["type"] == "aws:cloudformation:stack"]
    except (OSError, ValueError, KeyError, CycleError) as error:
        raise SynthesisError(
            f"The synthesised application in {folder} cannot be read ({type(error).__name__}: {error}). "
            "Run `abtest down`, then `abtest up`: it is written anew."
        ) from error
    return Assembly(tuple(assets.values()), tuple(stacks))
