"""Partition and sort keys of every item: the one place that spells them.

| item | pk | sk | gsi1pk | gsi1sk |
|---|---|---|---|---|
| workspace | WORKSPACES | workspace | | |
| test | WS#w#TEST#t | TEST | WS#w#TESTS | t |
| run of a test | WS#w#TEST#t | RUN#r | | |
| run | WS#w#RUN#r | RUN | WS#w#RUNS | r |
| spending and stop sign | WS#w#RUN#r | CONTROL | | |
| progress of a batch | WS#w#RUN#r | BATCH#key | | |
| dataset | WS#w#DATASETS | DATASET#d | | |
| frozen version | WS#w#DATASETS | VERSION#v | | |
| provider | WS#w#PROVIDERS | PROVIDER#p | | |
| budget | WS#w#BUDGET | TOTAL | | |
| reservation | WS#w#BUDGET | RUN#r | | |
| idempotency key | WS#w#IDEMPOTENCY#k | REQUEST | | |
| answered call | LEDGER#scope#k | ANSWER | | |
| what workers share | SHARED#k | STATE | | |
| template of a judge, its latest version | WS#w#TEMPLATES | TEMPLATE#t | | |
| template of a judge, a version | WS#w#TEMPLATES | TEMPLATEVERSION#t#n | | |
| job at a vendor, how far | WS#w#RUN#r | JOB#j | JOBS, while it is open | job's key |
| job at a vendor, what it is made of | WS#w#RUN#r | JOBREQUESTS#j | | |

ULIDs make `gsi1sk` and `RUN#r` sort by time of creation.

Depends on: nothing. Used by: the stores beside it.
"""

from __future__ import annotations

Key = dict[str, str]

PARTITION = "pk"
SORT = "sk"
INDEX = "gsi1"
INDEX_PARTITION = "gsi1pk"
INDEX_SORT = "gsi1sk"
EXPIRES_AT = "expires_at"
BATCH_PREFIX = "BATCH#"
RUN_PREFIX = "RUN#"
JOB_PREFIX = "JOB#"
TEMPLATE_PREFIX = "TEMPLATE#"
OPEN_JOBS = "JOBS"
WORKSPACES = "WORKSPACES"


def _key(partition: str, sort: str) -> Key:
    return {PARTITION: partition, SORT: sort}


def workspace(name: str) -> Key:
    """A workspace that has tests."""
    return _key(WORKSPACES, name)


def test_partition(workspace_name: str, test_id: str) -> str:
    """Partition of a test and of the list of its runs."""
    return f"WS#{workspace_name}#TEST#{test_id}"


def test(workspace_name: str, test_id: str) -> Key:
    """A test."""
    return _key(test_partition(workspace_name, test_id), "TEST")


def test_list(workspace_name: str) -> str:
    """Index partition of a workspace's tests."""
    return f"WS#{workspace_name}#TESTS"


def run_of_test(workspace_name: str, test_id: str, run_id: str) -> Key:
    """A test's entry for one of its runs."""
    return _key(test_partition(workspace_name, test_id), f"{RUN_PREFIX}{run_id}")


def run_partition(workspace_name: str, run_id: str) -> str:
    """Partition of everything about a run."""
    return f"WS#{workspace_name}#RUN#{run_id}"


def run(workspace_name: str, run_id: str) -> Key:
    """A run."""
    return _key(run_partition(workspace_name, run_id), "RUN")


def run_list(workspace_name: str) -> str:
    """Index partition of a workspace's runs."""
    return f"WS#{workspace_name}#RUNS"


def control(workspace_name: str, run_id: str) -> Key:
    """A run's spending and stop sign."""
    return _key(run_partition(workspace_name, run_id), "CONTROL")


def batch(workspace_name: str, run_id: str, batch_key: str) -> Key:
    """How far one batch of a run is."""
    return _key(run_partition(workspace_name, run_id), f"{BATCH_PREFIX}{batch_key}")


def dataset(workspace_name: str, dataset_id: str) -> Key:
    """A dataset."""
    return _key(f"WS#{workspace_name}#DATASETS", f"DATASET#{dataset_id}")


def dataset_version(workspace_name: str, version: str) -> Key:
    """A frozen dataset by its content."""
    return _key(f"WS#{workspace_name}#DATASETS", f"VERSION#{version}")


def provider_partition(workspace_name: str) -> str:
    """Partition of a workspace's providers."""
    return f"WS#{workspace_name}#PROVIDERS"


def provider(workspace_name: str, provider_id: str) -> Key:
    """A registered provider."""
    return _key(provider_partition(workspace_name), f"PROVIDER#{provider_id}")


def budget(workspace_name: str) -> Key:
    """What a workspace holds and has spent."""
    return _key(f"WS#{workspace_name}#BUDGET", "TOTAL")


def reservation(workspace_name: str, run_id: str) -> Key:
    """What the budget holds for one run."""
    return _key(f"WS#{workspace_name}#BUDGET", f"{RUN_PREFIX}{run_id}")


def idempotency(workspace_name: str, key: str) -> Key:
    """A client's Idempotency-Key."""
    return _key(f"WS#{workspace_name}#IDEMPOTENCY#{key}", "REQUEST")


def answer(scope: str, request_key: str) -> Key:
    """An answered call, by the hash of its canonical request."""
    return _key(f"LEDGER#{scope}#{request_key}", "ANSWER")


def shared(key: str) -> Key:
    """A document that all workers share and change."""
    return _key(f"SHARED#{key}", "STATE")


def job(workspace_name: str, run_id: str, job_name: str) -> Key:
    """How far a job at a vendor's batch interface is."""
    return _key(run_partition(workspace_name, run_id), f"{JOB_PREFIX}{job_name}")


def job_requests(workspace_name: str, run_id: str, job_name: str) -> Key:
    """What a job at a vendor's batch interface is made of."""
    return _key(run_partition(workspace_name, run_id), f"JOBREQUESTS#{job_name}")


def template_partition(workspace_name: str) -> str:
    """Partition of a workspace's own templates for judges."""
    return f"WS#{workspace_name}#TEMPLATES"


def template(workspace_name: str, name: str) -> Key:
    """What is known of a template: its latest version, without the texts."""
    return _key(template_partition(workspace_name), f"{TEMPLATE_PREFIX}{name}")


def template_version(workspace_name: str, name: str, version: int) -> Key:
    """One version of a template, with its texts."""
    return _key(template_partition(workspace_name), f"TEMPLATEVERSION#{name}#{version}")
