"""Datasets, budgets, providers, bodies and the ledger: one promise each, kept by memory and AWS alike."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
import requests
from contract_stores import Stores
from entities import OTHER_VERSION, VERSION, a_dataset, a_summary

from abtest.adapters.objects import S3ObjectStore
from abtest.contracts.records import Attempt, Usage
from abtest.core.errors import BudgetExceededError, NotFoundError, StoreError
from abtest.management.model import Dataset
from abtest.providers.model import LedgerEntry
from abtest.providers.registration import REPLAY_PROVIDER, ModelPrice, ModelProvider

THIRTY_DAYS_S = 30 * 24 * 3600
PROVIDER = ModelProvider(
    id="local",
    vendor="openai_chat",
    base_url="http://127.0.0.1:8000/v1",
    secret_name="abtest/local/providers/local",
    max_in_flight=4,
    prices={"small": ModelPrice(input_usd_per_million=Decimal("0.10"), output_usd_per_million=Decimal("0.40"))},
)
ENTRY = LedgerEntry(
    paid_by="run_1#a#s1",
    outcome="answered",
    text="Paris \u2028 é",
    usage=Usage(input_tokens=5, output_tokens=1),
    latency_ms=12.5,
    cost_usd=Decimal("0.0000012"),
    price_source="configured",
    attempts=(Attempt(status=429, latency_ms=3.0, failure_reason="rate_limited"), Attempt(status=200, latency_ms=12.5)),
    finish_reason="stop",
    provider_request_id="req-1",
)


# Datasets


def test_dataset_reads_back__and_is_not_found_by_a_version_it_lacks(stores: Stores, workspace: str) -> None:
    dataset = a_dataset(workspace)
    stores.datasets.create(dataset)

    assert stores.datasets.get(workspace, dataset.dataset_id) == dataset
    assert stores.datasets.by_version(workspace, VERSION) is None


def frozen(stores: Stores, workspace: str, version: str = VERSION) -> Dataset:
    dataset = a_dataset(workspace)
    stores.datasets.create(dataset)
    ready = dataset.model_copy(update={"version": version, "summary": a_summary(3, clusters=2)})
    stores.datasets.freeze(ready)
    return ready


def test_frozen_dataset_is_found__by_its_version(stores: Stores, workspace: str) -> None:
    ready = frozen(stores, workspace)

    assert stores.datasets.get(workspace, ready.dataset_id) == ready
    assert stores.datasets.by_version(workspace, VERSION) == ready
    assert stores.datasets.by_version(workspace, OTHER_VERSION) is None
    assert stores.datasets.by_version(f"{workspace}-2", VERSION) is None


def test_same_content_may_be_frozen_twice(stores: Stores, workspace: str) -> None:
    first, second = frozen(stores, workspace), frozen(stores, workspace)

    assert stores.datasets.by_version(workspace, VERSION) == second
    assert stores.datasets.get(workspace, first.dataset_id) == first


def test_dataset_is_not_written_over__by_a_new_one(stores: Stores, workspace: str) -> None:
    dataset = a_dataset(workspace)
    stores.datasets.create(dataset)

    with pytest.raises(StoreError):
        stores.datasets.create(dataset)


@pytest.mark.parametrize("dataset_id", ["dataset_unknown", "x" * 5_000])
def test_unknown_dataset_is_told(stores: Stores, workspace: str, dataset_id: str) -> None:
    with pytest.raises(NotFoundError, match="There is no dataset"):
        stores.datasets.get(workspace, dataset_id)


# Budgets


def reserve(stores: Stores, workspace: str, run_id: str, amount: str, limit: str | None = "1.00") -> None:
    stores.budgets.reserve(workspace, run_id, Decimal(amount), None if limit is None else Decimal(limit))


def test_budget_is_reserved__up_to_the_limit_exactly(stores: Stores, workspace: str) -> None:
    reserve(stores, workspace, "run_1", "0.60")
    reserve(stores, workspace, "run_2", "0.40")

    with pytest.raises(BudgetExceededError, match=r"has \$1\.00, of which \$1\.00 is spent or reserved") as caught:
        reserve(stores, workspace, "run_3", "0.01")
    assert caught.value.details["asked_usd"] == "0.01"


def test_first_run_above_the_limit_is_refused(stores: Stores, workspace: str) -> None:
    with pytest.raises(BudgetExceededError):
        reserve(stores, workspace, "run_1", "1.01")
    reserve(stores, workspace, "run_1", "1.00")


def test_refused_run_holds_nothing(stores: Stores, workspace: str) -> None:
    reserve(stores, workspace, "run_1", "0.60")
    with pytest.raises(BudgetExceededError):
        reserve(stores, workspace, "run_2", "0.60")

    stores.budgets.release(workspace, "run_2", Decimal("0.5"))
    reserve(stores, workspace, "run_3", "0.40")


def test_run_reserves_once__however_often_it_asks(stores: Stores, workspace: str) -> None:
    for _ in range(3):
        reserve(stores, workspace, "run_1", "0.50")

    reserve(stores, workspace, "run_2", "0.50")


def test_release_leaves__what_was_spent(stores: Stores, workspace: str) -> None:
    reserve(stores, workspace, "run_1", "0.80")
    for _ in range(2):
        stores.budgets.release(workspace, "run_1", Decimal("0.30"))
    reserve(stores, workspace, "run_1", "0.80")

    reserve(stores, workspace, "run_2", "0.70")
    with pytest.raises(BudgetExceededError):
        reserve(stores, workspace, "run_3", "0.01")


def test_release_of_more_than_was_reserved_counts__what_was_spent(stores: Stores, workspace: str) -> None:
    reserve(stores, workspace, "run_1", "0.50")
    stores.budgets.release(workspace, "run_1", Decimal("0.60"))

    with pytest.raises(BudgetExceededError):
        reserve(stores, workspace, "run_2", "0.41")


def test_no_limit_is_no_limit__and_is_counted(stores: Stores, workspace: str) -> None:
    reserve(stores, workspace, "run_1", "1000000", limit=None)

    with pytest.raises(BudgetExceededError):
        reserve(stores, workspace, "run_2", "0.01")


def test_release_without_a_reservation_changes_nothing(stores: Stores, workspace: str) -> None:
    stores.budgets.release(workspace, "run_1", Decimal("5"))

    reserve(stores, workspace, "run_1", "1.00")


def test_workspaces_have_budgets_of_their_own(stores: Stores, workspace: str) -> None:
    reserve(stores, workspace, "run_1", "1.00")

    reserve(stores, f"{workspace}-2", "run_1", "1.00")


def test_budget_is_never_exceeded__by_runs_that_start_at_once(stores: Stores, workspace: str) -> None:
    def taken(number: int) -> bool:
        try:
            reserve(stores, workspace, f"run_{number}", "0.30")
        except BudgetExceededError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(taken, range(10))) == 3


# Providers


def test_replay_always_exists__and_is_last(stores: Stores, workspace: str) -> None:
    stores.providers.put(workspace, PROVIDER.model_copy(update={"id": "zeta"}))
    stores.providers.put(workspace, PROVIDER)

    assert [provider.id for provider in stores.providers.list(workspace)] == ["local", "zeta", "replay"]
    assert stores.providers.get(workspace, "replay") == REPLAY_PROVIDER
    assert stores.providers.list(f"{workspace}-2") == (REPLAY_PROVIDER,)


def test_provider_reads_back__and_a_new_registration_takes_its_place(stores: Stores, workspace: str) -> None:
    stores.providers.put(workspace, PROVIDER)
    assert stores.providers.get(workspace, "local") == PROVIDER

    stores.providers.put(workspace, PROVIDER.model_copy(update={"max_in_flight": 9}))

    assert stores.providers.get(workspace, "local").max_in_flight == 9
    assert len(stores.providers.list(workspace)) == 2


def test_facts_are_what_management_asks(stores: Stores, workspace: str) -> None:
    stores.providers.put(workspace, PROVIDER)

    facts = stores.providers.facts(workspace)

    assert set(facts) == {"local", "replay"}
    assert (facts["local"].vendor, facts["local"].max_in_flight) == ("openai_chat", 4)
    assert ModelProvider.model_validate(dict(facts["local"].registration)) == PROVIDER


def test_unknown_provider_is_told(stores: Stores, workspace: str) -> None:
    with pytest.raises(NotFoundError, match="There is no provider 'nobody'"):
        stores.providers.get(workspace, "nobody")


# Bodies


def test_body_reads_back__and_a_new_one_takes_its_place(stores: Stores, workspace: str) -> None:
    key = f"runs/{workspace}/é.json"
    stores.objects.put(key, b"one")
    stores.objects.put(key, b"two \x00 \xff", content_type="text/html")

    assert stores.objects.get(key) == b"two \x00 \xff"


@pytest.mark.parametrize(
    ("body", "lines"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\nb\n", [b"a", b"b"]),
        (b"a\r\nb\n\nc", [b"a", b"b", b"", b"c"]),
        ("é\u2028é\n".encode(), ["é\u2028é".encode()]),
    ],
)
def test_lines_come_one_by_one__without_their_ends(
    stores: Stores, workspace: str, body: bytes, lines: list[bytes]
) -> None:
    stores.objects.put(f"runs/{workspace}/rows.jsonl", body)

    assert list(stores.objects.lines(f"runs/{workspace}/rows.jsonl")) == lines


def test_missing_body_is_told__at_once(stores: Stores, workspace: str) -> None:
    with pytest.raises(NotFoundError, match="There is no object"):
        stores.objects.get(f"runs/{workspace}/nothing")
    with pytest.raises(NotFoundError):
        stores.objects.lines(f"runs/{workspace}/nothing")


def test_keys_are_sorted__under_a_prefix_only(stores: Stores, workspace: str) -> None:
    for name in ("b/2", "b/10", "a", "bb"):
        stores.objects.put(f"runs/{workspace}/{name}", b"x")

    assert list(stores.objects.keys(f"runs/{workspace}/b/")) == [f"runs/{workspace}/b/10", f"runs/{workspace}/b/2"]
    assert list(stores.objects.keys(f"runs/{workspace}/none")) == []


def test_upload_names_the_key__and_how_to_send(stores: Stores, workspace: str) -> None:
    upload = stores.objects.upload(f"uploads/{workspace}/d.jsonl", expires_in_s=60)

    assert upload.method == "PUT"
    assert f"uploads/{workspace}/d.jsonl" in upload.url
    assert upload.headers == {"content-type": "application/x-ndjson"}


@pytest.fixture
def plain_http() -> Iterator[None]:
    # moto answers `requests` in this process; a proxy of the machine must not come between.
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.lower().endswith("_proxy"):
                patch.delenv(name)
        yield


@pytest.mark.aws_fake
def test_signed_addresses_take_and_give_bodies__for_a_client_without_keys(
    bucket: S3ObjectStore, workspace: str, plain_http: None
) -> None:
    key = f"runs/{workspace}/report.html"
    upload = bucket.upload(key, expires_in_s=60)

    assert requests.put(upload.url, data=b"<p>", headers=dict(upload.headers), timeout=5).status_code == 200
    download = requests.get(bucket.download_url(key, expires_in_s=60, filename="report.html"), timeout=5)

    assert download.content == b"<p>"
    assert bucket.get(key) == b"<p>"
    assert download.headers["content-disposition"] == 'attachment; filename="report.html"'


# The ledger


def test_answers_read_back__by_their_keys(stores: Stores, workspace: str) -> None:
    ledger = stores.ledger(workspace)
    ledger.put_many({f"key-{n}": ENTRY.model_copy(update={"text": str(n)}) for n in range(60)})

    found = ledger.get_many([f"key-{n}" for n in range(100)])

    assert {key: entry.text for key, entry in found.items()} == {f"key-{n}": str(n) for n in range(60)}
    assert ledger.get_many(["key-7"])["key-7"] == ENTRY.model_copy(update={"text": "7"})


def test_nothing_is_found__in_an_empty_ledger(stores: Stores, workspace: str) -> None:
    ledger = stores.ledger(workspace)
    ledger.put_many({})

    assert ledger.get_many([]) == {}
    assert ledger.get_many(["key"]) == {}


def test_answer_with_everything_unknown_reads_back(stores: Stores, workspace: str) -> None:
    entry = LedgerEntry(paid_by="run_1#a#s1", outcome="refused", latency_ms=1.0)
    stores.ledger(workspace).put_many({"run_1#" + "k" * 64: entry})

    assert stores.ledger(workspace).get_many(["run_1#" + "k" * 64]) == {"run_1#" + "k" * 64: entry}


def test_answer_too_long_for_an_item_reads_back(stores: Stores, workspace: str) -> None:
    entry = ENTRY.model_copy(update={"text": "é" * 400_000})
    stores.ledger(workspace).put_many({"long": entry, "short": ENTRY})

    assert stores.ledger(workspace).get_many(["long", "short"]) == {"long": entry, "short": ENTRY}


def test_writing_again_changes_nothing_of_worth(stores: Stores, workspace: str) -> None:
    for _ in range(2):
        stores.ledger(workspace).put_many({"key": ENTRY})

    assert stores.ledger(workspace).get_many(["key"]) == {"key": ENTRY}


def test_teams_never_share_answers(stores: Stores, workspace: str) -> None:
    stores.ledger(workspace).put_many({"key": ENTRY})

    assert stores.ledger(f"{workspace}-2").get_many(["key"]) == {}


def test_answers_expire__after_thirty_days(stores: Stores, workspace: str) -> None:
    stores.ledger(workspace).put_many({"key": ENTRY})

    stores.clock.pass_s(THIRTY_DAYS_S - 1)
    assert stores.ledger(workspace).get_many(["key"]) == {"key": ENTRY}
    stores.clock.pass_s(1)
    assert stores.ledger(workspace).get_many(["key"]) == {}
