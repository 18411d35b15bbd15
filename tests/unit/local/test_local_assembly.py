"""Reading a cloud assembly: stacks in order, placeholders filled, damage told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from abtest_cli.local.assembly import read
from abtest_cli.local.errors import SynthesisError


def _write(folder: Path, artifacts: dict[str, Any]) -> Path:
    (folder / "manifest.json").write_text(json.dumps({"version": "55.0.0", "artifacts": artifacts}), encoding="utf-8")
    return folder


def _stack(*dependencies: str) -> dict[str, Any]:
    url = "s3://cdk-hnb659fds-assets-${AWS::AccountId}-us-east-1/abc.json"
    return {
        "type": "aws:cloudformation:stack",
        "dependencies": list(dependencies),
        "properties": {"stackTemplateAssetObjectUrl": url, "requiresBootstrapStackVersion": 6},
    }


def test_stacks_come_after_what_they_depend_on__whatever_their_names(tmp_path: Path) -> None:
    found = read(_write(tmp_path, {"a": _stack("b"), "b": _stack("c"), "c": _stack()}))
    assert [stack.name for stack in found.stacks] == ["c", "b", "a"]
    url = "https://s3.us-east-1.amazonaws.com/cdk-hnb659fds-assets-000000000000-us-east-1/abc.json"
    assert found.stacks[0].template_url == url


def test_assets_are_listed_once__when_stacks_share_them(tmp_path: Path) -> None:
    files = {
        "x": {
            "source": {"path": "asset.x", "packaging": "zip"},
            "destinations": {"d": {"bucketName": "assets-${AWS::AccountId}-${AWS::Region}", "objectKey": "x.zip"}},
        }
    }
    for name in ("one", "two"):
        (tmp_path / f"{name}.assets.json").write_text(json.dumps({"files": files}), encoding="utf-8")
    manifest = {n: {"type": "cdk:asset-manifest", "properties": {"file": f"{n}.assets.json"}} for n in ("one", "two")}
    (asset,) = read(_write(tmp_path, manifest)).assets
    assert (asset.bucket, asset.key) == ("assets-000000000000-us-east-1", "x.zip")


@pytest.mark.parametrize("text", ["", "{}", '{"artifacts": {"a": {"type": "aws:cloudformation:stack"}}}'])
def test_damaged_assembly__says_what_to_do(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.raises(SynthesisError, match="abtest up"):
        read(tmp_path)


def test_circle_of_stacks__is_told(tmp_path: Path) -> None:
    with pytest.raises(SynthesisError, match="CycleError"):
        read(_write(tmp_path, {"a": _stack("b"), "b": _stack("a")}))
