"""The workers of a deployed platform, as an operator and as bad luck handle them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil

from harness.platform import Platform


def kill_workers(platform: Platform, folder: str) -> int:
    """Kill every process of a function, as a machine that fails does, and return how many there were.

    Args:
        folder: of the function.
    """
    name = _function_name(platform, folder)
    killed = 0
    for process in psutil.process_iter(["pid", "environ"]):
        environment = process.info["environ"] or {}
        endpoint = environment.get("AWS_ENDPOINT_URL", "")
        if environment.get("AWS_LAMBDA_FUNCTION_NAME") == name and endpoint.endswith(f":{platform.stack.port}"):
            os.kill(process.info["pid"], signal.SIGKILL)
            killed += 1
    return killed


@contextmanager
def concurrent_workers(platform: Platform, vendor: str, count: int) -> Iterator[None]:
    """Let so many workers serve a vendor's queue for as long as the block lasts.

    Args:
        vendor: whose queue.
    """
    lambdas, mapping = platform.aws("lambda"), _queue_mapping(platform, vendor)
    scaling = {"MaximumConcurrency": count}
    lambdas.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig=scaling)
    try:
        yield
    finally:
        lambdas.update_event_source_mapping(UUID=mapping["UUID"], ScalingConfig=mapping["ScalingConfig"])


def _function_name(platform: Platform, folder: str) -> str:
    return str(json.loads(platform.stack.outputs["FunctionNames"])[folder])


def _queue_mapping(platform: Platform, vendor: str) -> dict[str, Any]:
    lambdas, name = platform.aws("lambda"), _function_name(platform, "call_provider")
    configuration = lambdas.get_function_configuration(FunctionName=name)
    queue = json.loads(configuration["Environment"]["Variables"]["ABTEST_QUEUE_URLS"])[vendor]
    mappings = lambdas.list_event_source_mappings(FunctionName=name)["EventSourceMappings"]
    (found,) = [entry for entry in mappings if entry["EventSourceArn"].endswith(":" + queue.rpartition("/")[2])]
    return dict(found)
