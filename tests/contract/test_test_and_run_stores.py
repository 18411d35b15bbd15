"""Tests and runs: conditional changes of state, idempotency, pages, spending, stop signs and progress."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest
from contract_stores import Stores
from entities import NOW, a_definition, a_run, a_test

from abtest.core.errors import (
    AbTestError,
    IdempotencyKeyReusedError,
    IllegalTransitionError,
    InvalidInputError,
    NotFoundError,
    StoreError,
)
from abtest.management.model import (
    JudgeEstimate,
    Progress,
    Run,
    RunError,
    RunPhase,
    RunVerdict,
    Spending,
    Test,
    TestStatus,
)
from abtest.management.ports import IdempotentRequest
from abtest.management.validation import MAX_DEFINITION_BYTES

REQUEST = IdempotentRequest("key-1", "hash-1")


def running(stores: Stores, workspace: str, request: IdempotentRequest | None = None) -> Run:
    test = a_test(workspace)
    stores.tests.create(test)
    return stores.runs.start(a_run(test), request)


def status_of(stores: Stores, run: Run) -> TestStatus:
    return stores.tests.get(run.workspace, run.test_id).status


# Tests


def test_test_reads_back__as_it_was_kept(stores: Stores, workspace: str) -> None:
    test = a_test(workspace, definition=a_definition(budget={"cap_usd": "0.10"}), warnings=("few",))
    stores.tests.create(test)

    assert stores.tests.get(workspace, test.test_id) == test


def test_run_that_judges_anew_reads_back__with_the_longest_definition(stores: Stores, workspace: str) -> None:
    test = a_test(workspace)
    stores.tests.create(test)
    source = stores.runs.start(a_run(test), None)
    stores.runs.finish(source, "complete")
    judge = {"type": "exact_match", "note": "ä" * 120_000}
    definition = a_definition(judges={"correct": judge})
    assert MAX_DEFINITION_BYTES * 0.95 < len(definition.model_dump_json().encode()) < MAX_DEFINITION_BYTES
    row = {"judge": "j" * 64, "provider": "p" * 64, "model": "m" * 200, "calls": 10**9, "input_tokens": 10**12}
    row |= {"input_counted_by": "tokenizer", "output_tokens_max": 10**12, "cost_usd_max": None, "price_source": None}
    estimate = test.estimate.model_copy(update={"by_judge": (JudgeEstimate.model_validate(row),) * 20})
    anew = {"rejudges": source.run_id, "definition": definition, "estimate": estimate, "warnings": ("few",)}

    run = stores.runs.start(a_run(test, **anew), None)
    stores.runs.update(run.model_copy(update={"phase": RunPhase.JUDGING}))

    kept = stores.runs.get(workspace, run.run_id)
    assert kept == run.model_copy(update={"phase": RunPhase.JUDGING})
    assert stores.runs.finish(kept, "complete")
    listed = stores.runs.list(workspace, test_id=test.test_id, limit=5, cursor=None).items
    assert {one.run_id: one.rejudges for one in listed} == {source.run_id: None, run.run_id: source.run_id}


@pytest.mark.parametrize("test_id", ["test_unknown", "x" * 5_000, "é#é"])
def test_unknown_test_is_told__whatever_its_name(stores: Stores, workspace: str, test_id: str) -> None:
    with pytest.raises(NotFoundError, match=r"There is no test"):
        stores.tests.get(workspace, test_id)


def test_test_of_another_workspace_is_unknown(stores: Stores, workspace: str) -> None:
    test = a_test(workspace)
    stores.tests.create(test)

    with pytest.raises(NotFoundError):
        stores.tests.get(f"{workspace}-2", test.test_id)


def test_test_is_not_written_over(stores: Stores, workspace: str) -> None:
    test = a_test(workspace)
    stores.tests.create(test)

    with pytest.raises(StoreError):
        stores.tests.create(test)


def test_pages_of_tests_are_newest_first__and_complete(stores: Stores, workspace: str) -> None:
    made = [a_test(workspace) for _ in range(7)]
    for test in made:
        stores.tests.create(test)
    stores.tests.create(a_test(f"{workspace}-2"))

    seen: list[Test] = []
    cursor, pages = None, 0
    while True:
        page = stores.tests.list(workspace, limit=3, cursor=cursor)
        assert len(page.items) <= 3
        seen.extend(page.items)
        pages += 1
        cursor = page.next_cursor
        if cursor is None:
            break

    assert seen == list(reversed(made))
    assert pages == 3


def test_page_that_takes_all_has_no_cursor(stores: Stores, workspace: str) -> None:
    stores.tests.create(a_test(workspace))

    assert stores.tests.list(workspace, limit=5, cursor=None).next_cursor is None
    assert stores.tests.list(f"{workspace}-2", limit=5, cursor=None).items == ()


@pytest.mark.parametrize("cursor", ["nonsense", "e30=", "W10=", "bnVsbA==", "eyJhIjogMX0=", "é"])
def test_cursor_that_is_none_is_refused(stores: Stores, workspace: str, cursor: str) -> None:
    with pytest.raises(InvalidInputError, match="cursor"):
        stores.tests.list(workspace, limit=5, cursor=cursor)


def test_cursor_of_another_list_is_refused(stores: Stores, workspace: str) -> None:
    other = f"{workspace}-2"
    for _ in range(3):
        test = a_test(other)
        stores.tests.create(test)
    run = stores.runs.start(a_run(test), None)
    stores.runs.finish(run, "complete")
    stores.runs.start(a_run(test), None)
    of_tests = stores.tests.list(other, limit=1, cursor=None).next_cursor
    of_runs = stores.runs.list(other, test_id=None, limit=1, cursor=None).next_cursor
    of_one_test = stores.runs.list(other, test_id=test.test_id, limit=1, cursor=None).next_cursor
    assert of_tests
    assert of_runs
    assert of_one_test

    for cursor in (of_tests, of_runs, of_one_test):
        with pytest.raises(InvalidInputError, match="cursor"):
            stores.tests.list(workspace, limit=1, cursor=cursor)
    for cursor in (of_runs, of_one_test):
        with pytest.raises(InvalidInputError, match="cursor"):
            stores.tests.list(other, limit=1, cursor=cursor)
    with pytest.raises(InvalidInputError, match="cursor"):
        stores.runs.list(other, test_id=test.test_id, limit=1, cursor=of_runs)


def test_workspaces_are_those__that_have_tests(stores: Stores, workspace: str) -> None:
    assert workspace not in stores.tests.workspaces()
    stores.tests.create(a_test(workspace))
    stores.tests.create(a_test(workspace))

    assert list(stores.tests.workspaces()).count(workspace) == 1


# How runs begin and end


def test_run_reads_back__and_its_test_is_running(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)

    assert stores.runs.get(workspace, run.run_id) == run
    assert status_of(stores, run) is TestStatus.RUNNING


def test_second_start_of_a_running_test_is_refused__and_keeps_nothing(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)
    second = a_run(stores.tests.get(workspace, run.test_id))

    with pytest.raises(IllegalTransitionError):
        stores.runs.start(second, IdempotentRequest("key-2", "hash"))

    with pytest.raises(NotFoundError):
        stores.runs.get(workspace, second.run_id)
    assert len(stores.runs.list(workspace, test_id=run.test_id, limit=5, cursor=None).items) == 1
    stores.runs.finish(run, "complete")
    # The key of the refused request was not taken.
    assert stores.runs.start(second, IdempotentRequest("key-2", "other hash")).run_id == second.run_id


def test_start_of_an_unknown_test_is_told(stores: Stores, workspace: str) -> None:
    with pytest.raises(NotFoundError):
        stores.runs.start(a_run(a_test(workspace)), None)


def test_same_key_and_request_give_the_same_run(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace, REQUEST)
    again = a_run(stores.tests.get(workspace, run.test_id))

    assert stores.runs.start(again, REQUEST) == run
    stores.runs.finish(run, "fail")
    assert stores.runs.start(again, REQUEST).status is TestStatus.FAILED
    assert len(stores.runs.list(workspace, test_id=None, limit=5, cursor=None).items) == 1


def test_same_key_with_another_request_is_refused(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace, REQUEST)

    with pytest.raises(IdempotencyKeyReusedError, match="key-1"):
        stores.runs.start(a_run(stores.tests.get(workspace, run.test_id)), IdempotentRequest("key-1", "hash-2"))


def test_same_key_in_another_workspace_is_another_key(stores: Stores, workspace: str) -> None:
    running(stores, workspace, REQUEST)

    assert running(stores, f"{workspace}-2", REQUEST).workspace == f"{workspace}-2"


def test_one_start_wins__when_many_come_at_once(stores: Stores, workspace: str) -> None:
    test = a_test(workspace)
    stores.tests.create(test)

    def start(run: Run) -> str:
        try:
            return stores.runs.start(run, None).run_id
        except AbTestError as error:
            return type(error).__name__

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(start, [a_run(test) for _ in range(8)]))

    assert sorted(results)[:7] == ["IllegalTransitionError"] * 7
    assert len(stores.runs.list(workspace, test_id=None, limit=20, cursor=None).items) == 1


@pytest.mark.parametrize(
    ("event", "after"),
    [("complete", TestStatus.COMPLETED), ("fail", TestStatus.FAILED), ("cancel", TestStatus.CANCELLED)],
)
def test_end_of_a_run_moves_its_test__and_the_test_can_start_again(
    stores: Stores, workspace: str, event: str, after: TestStatus
) -> None:
    run = running(stores, workspace)
    done = run.model_copy(
        update={
            "phase": RunPhase.DONE,
            "finished_at": NOW,
            "verdict": RunVerdict(decision="ship", sentence="B is better."),
            "error": RunError(code="x", message="y", what_to_do="z"),
            "artifacts": ("report.html",),
        }
    )

    assert stores.runs.finish(done, event) is True  # type: ignore[arg-type]

    assert stores.runs.get(workspace, run.run_id) == done.model_copy(update={"status": after})
    assert status_of(stores, run) is after
    next_run = a_run(stores.tests.get(workspace, run.test_id))
    assert stores.runs.start(next_run, None) == next_run


def test_run_ends_once(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)
    assert stores.runs.finish(run, "complete") is True

    assert stores.runs.finish(run, "fail") is False
    assert stores.runs.get(workspace, run.run_id).status is TestStatus.COMPLETED
    assert status_of(stores, run) is TestStatus.COMPLETED


def test_end_of_an_unknown_run_changes_nothing(stores: Stores, workspace: str) -> None:
    assert stores.runs.finish(a_run(a_test(workspace)), "complete") is False


def test_run_can_only_end__by_an_event_that_ends(stores: Stores, workspace: str) -> None:
    with pytest.raises(IllegalTransitionError):
        stores.runs.finish(running(stores, workspace), "start")


def test_update_keeps_what_changed__but_never_the_state(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)
    planned = run.model_copy(
        update={"phase": RunPhase.GENERATING, "responses_total": 200, "reserved_usd": Decimal("0.5")}
    )
    stores.runs.update(planned.model_copy(update={"status": TestStatus.COMPLETED}))

    assert stores.runs.get(workspace, run.run_id) == planned


def test_update_after_the_end_changes_nothing(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)
    stores.runs.finish(run, "cancel")
    stores.runs.update(run.model_copy(update={"responses_total": 9}))
    stores.runs.update(a_run(a_test(workspace)))

    kept = stores.runs.get(workspace, run.run_id)
    assert (kept.responses_total, kept.status) == (0, TestStatus.CANCELLED)


@pytest.mark.parametrize("run_id", ["run_unknown", "x" * 5_000])
def test_unknown_run_is_told(stores: Stores, workspace: str, run_id: str) -> None:
    with pytest.raises(NotFoundError, match="There is no run"):
        stores.runs.get(workspace, run_id)


def test_pages_of_runs_are_newest_first__of_all_tests_or_one(stores: Stores, workspace: str) -> None:
    tests = [a_test(workspace), a_test(workspace)]
    for test in tests:
        stores.tests.create(test)
    made: list[Run] = []
    for number in range(6):
        run = stores.runs.start(a_run(tests[number % 2]), None)
        stores.runs.finish(run, "complete")
        made.append(run)

    def ids(test_id: str | None) -> list[str]:
        found: list[str] = []
        cursor = None
        while True:
            page = stores.runs.list(workspace, test_id=test_id, limit=2, cursor=cursor)
            found.extend(run.run_id for run in page.items)
            assert all(run.status is TestStatus.COMPLETED for run in page.items)
            cursor = page.next_cursor
            if cursor is None:
                return found

    assert ids(None) == [run.run_id for run in reversed(made)]
    assert ids(tests[1].test_id) == [made[5].run_id, made[3].run_id, made[1].run_id]
    assert ids("test_unknown") == []
    assert stores.runs.list(f"{workspace}-2", test_id=None, limit=2, cursor=None).items == ()


# Spending and stop signs


def test_spending_begins_at_nothing__with_the_cap(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)

    assert stores.runs.spending(workspace, run.run_id) == Spending(cap_usd=Decimal("0.5"))


def test_run_without_a_cap_has_none(stores: Stores, workspace: str) -> None:
    test = a_test(workspace)
    stores.tests.create(test)
    run = stores.runs.start(a_run(test, cap_usd=None), None)

    assert stores.runs.spending(workspace, run.run_id).cap_usd is None


def test_spending_adds_up__exactly_and_returns_the_state_after(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)

    for _ in range(3):
        after = stores.runs.spend(workspace, run.run_id, calls=2, cost_usd=Decimal("0.0000012"))

    assert after == Spending(spent_usd=Decimal("0.0000036"), calls=6, cap_usd=Decimal("0.5"))
    assert stores.runs.spending(workspace, run.run_id) == after


def test_spending_loses_nothing__from_many_workers(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: stores.runs.spend(workspace, run.run_id, calls=1, cost_usd=Decimal("0.01")), range(40)))

    spent = stores.runs.spending(workspace, run.run_id)
    assert (spent.calls, spent.spent_usd) == (40, Decimal("0.40"))


def test_first_reason_to_stop_stays__with_its_error(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)
    error = {"code": "provider_auth", "message": "The key was refused.", "what_to_do": "Mend it."}

    assert stores.runs.stop(workspace, run.run_id, "failed", error) is True
    assert stores.runs.stop(workspace, run.run_id, "cancelled", None) is False

    assert stores.runs.spending(workspace, run.run_id).stop == "failed"
    assert stores.runs.stop_error(workspace, run.run_id) == error
    assert stores.runs.spend(workspace, run.run_id, calls=1, cost_usd=Decimal(0)).stop == "failed"


def test_cancelled_run_has_no_error(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)
    assert stores.runs.stop_error(workspace, run.run_id) is None
    stores.runs.stop(workspace, run.run_id, "cancelled", None)

    assert stores.runs.spending(workspace, run.run_id).stop == "cancelled"
    assert stores.runs.stop_error(workspace, run.run_id) is None


def test_run_nobody_knows_has_spent_nothing(stores: Stores, workspace: str) -> None:
    assert stores.runs.spending(workspace, "run_unknown") == Spending()
    assert stores.runs.stop_error(workspace, "run_unknown") is None
    assert stores.runs.progress(workspace, "run_unknown") == Progress()


# Progress


def test_progress_is_the_sum_over_batches__each_counted_once(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)

    def record(key: str, **counts: int) -> None:
        stores.runs.record_batch(workspace, run.run_id, key, counts)

    record("G#0#terse#0", done=10, failed=1, from_ledger=2)
    record("G#0#terse#0", done=40, failed=2, from_ledger=5)
    record("G#0#wordy#0", done=30, failed=0, from_ledger=0)
    record("J#0#correct#0", done=70, failed=3)
    record("J#0#correct#1", done=5)
    record("J#0#strong#0", done=2, failed=0, added=6)
    record("J#0#strong#0", done=6, failed=1, added=6)

    assert stores.runs.progress(workspace, run.run_id) == Progress(
        responses_done=70, responses_failed=2, responses_from_ledger=5, verdicts_done=81, verdicts_added=6
    )


def test_progress_sums_more_batches_than_one_read_returns(stores: Stores, workspace: str) -> None:
    run = running(stores, workspace)
    for batch in range(120):
        stores.runs.record_batch(workspace, run.run_id, f"G#0#terse#{batch}", {"done": 1})

    assert stores.runs.progress(workspace, run.run_id).responses_done == 120
