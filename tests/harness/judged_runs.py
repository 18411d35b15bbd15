"""Runs whose answers a judging model knows: `A(tag 17)` and `B(tag 17)` to sample 17, and the rows they leave."""

from __future__ import annotations

import json
from typing import Any

from harness.platform import Platform, definition

PRICES = {"judge-1": {"input_usd_per_million": "10", "output_usd_per_million": "50"}}
IN_FLIGHT = 20


def register(platform: Platform, name: str, url: str, vendor: str = "openai_chat", **more: Any) -> None:
    """Register a provider of judging models."""
    body = {"vendor": vendor, "base_url": url, "max_in_flight": IN_FLIGHT, "timeout_s": 5, "prices": PRICES}
    platform.call("PUT", f"/v1/providers/{name}", json=body | more)


def plan_of(platform: Platform, count: int, tag: str, judges: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a test of the mock; the first judge is the primary metric."""
    plan = definition(
        platform.dataset(rows(count, tag)), judges=judges, primary_metric=next(iter(judges)), cache="off", **more
    )
    for letter, variant in zip("AB", plan["variants"].values(), strict=True):
        variant["prompt"] = {"user": f"{letter}({{{{ q }}}})"}
    return plan


def rows(count: int, tag: str) -> list[dict[str, Any]]:
    """Return the samples of such a test."""
    return [{"id": f"s{i:05d}", "inputs": {"q": f"{tag} {i}"}, "reference": f"A({tag} {i})"} for i in range(count)]


def number_of(row: dict[str, Any]) -> int:
    """Return the number of a row's sample."""
    return int(row["sample_id"].removeprefix("s"))


def letter_of(row: dict[str, Any]) -> str:
    """Return the letter of a row's variant."""
    return {"same": "A", "prefixed": "B"}[str(row["variant"])]


def rows_of(platform: Platform, run_id: str, folder: str) -> list[dict[str, Any]]:
    """Return the rows that the workers wrote for a run under a folder, such as `verdicts/good`."""
    s3, bucket = platform.aws("s3"), platform.stack.outputs["DataBucketName"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="runs/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
    wanted = [key for key in keys if f"/{run_id}/" in key and f"/{folder}/" in key]
    bodies = [s3.get_object(Bucket=bucket, Key=key)["Body"].read() for key in wanted]
    return [json.loads(line) for body in bodies for line in body.splitlines()]
