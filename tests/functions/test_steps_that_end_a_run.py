"""How a run ends, over memory: with a verdict, a reason, or because somebody asked; its money released each time."""

from __future__ import annotations

import csv
import io
import json
from decimal import Decimal
from typing import Any

import pytest
from entities import definition_body
from step_world import COST_USD, PROVIDER, WORKSPACE, StepWorld, ok, refusal, rows

from abtest.adapters.memory.shared_state import MemorySharedState
from abtest.contracts import object_keys
from abtest.contracts.steps import FailedState, FinalState, WaveState
from abtest.core.errors import BudgetExceededError, RunCancelledError, StoreUnavailableError
from abtest.management.model import RunPhase, TestStatus, VariantEstimate
from abtest.providers import calibration
from abtest.runtime.steps.daily_analytics import DailyAnalyticsPorts, daily_analytics
from abtest.runtime.steps.fail_run import FailRunPorts, fail_run
from abtest.runtime.steps.finish_run import FinishRunPorts, finish_run

CAP_USD = Decimal("0.80")
LIMIT_USD = Decimal("1.00")


class EndingWorld(StepWorld):
    """A run of 40 samples under a workspace's limit: `terse` is right, `wordy` is wrong in every second answer."""

    def __init__(self, **changes: Any) -> None:
        super().__init__(definition_body(budget={"cap_usd": str(CAP_USD)}, **changes), rows(40), batch_size=20)
        self.workspace_budget_usd = LIMIT_USD
        self.provider.script = self._answer
        self.history = MemorySharedState()

    def _answer(self, prompt: str) -> Any:
        number = int(prompt.partition("Land")[2].rstrip("?"))
        right = prompt.startswith("Capital") or number % 2
        return ok(f"Land{number} City" if right else "nowhere")

    def answer(self, deliveries: int) -> WaveState:
        """Plan, and deliver so many messages."""
        state = self.plan()
        for number in range(deliveries):
            self.call(self.message(number))
        return state

    def judged(self) -> WaveState:
        """Plan, answer and judge everything."""
        state = self.answer(4)
        for item in self.judge_items():
            self.judge(item)
        return state

    def finish(self, state: WaveState) -> FinalState:
        return finish_run(state, FinishRunPorts(self.runs, self.budgets, self.objects, self.clock, self.history))

    def fail(self, failure: dict[str, Any] | None = None) -> FinalState:
        state = FailedState(workspace=WORKSPACE, run_id=self.run.run_id, failure=failure)
        return fail_run(state, FailRunPorts(self.runs, self.budgets, self.objects, self.clock))

    def artifact(self, name: str) -> str:
        return self.objects.get(object_keys.artifact(WORKSPACE, self.run.run_id, name)).decode()

    def free_usd(self) -> Decimal:
        """Return what another run could still reserve, in whole cents; reserves it."""
        for cents in range(100, 0, -1):
            try:
                self.budgets.reserve(WORKSPACE, "run_probe", Decimal(cents) / 100, LIMIT_USD)
            except BudgetExceededError:
                continue
            return Decimal(cents) / 100
        return Decimal(0)

    def breaks_once(self, store: Any, method: str) -> None:
        """Make a store's method fail at its next call, before it does anything."""
        real = getattr(store, method)

        def broken(*_: Any, **__: Any) -> Any:
            setattr(store, method, real)
            raise StoreUnavailableError("The store did not answer.")

        setattr(store, method, broken)


def test_finished_run_has_its_verdict_and_files() -> None:
    world = EndingWorld()

    ended = world.finish(world.judged())

    assert ended.status == "COMPLETED"
    run = world.stored
    assert (run.status, run.phase, run.error) == (TestStatus.COMPLETED, RunPhase.DONE, None)
    assert run.finished_at is not None
    assert run.artifacts == object_keys.ARTIFACTS
    assert run.verdict is not None
    analysis = json.loads(world.artifact("analysis.json"))
    assert analysis["decision"]["sentence"] == run.verdict.sentence
    assert analysis["decision"]["outcome"] == run.verdict.decision
    report = world.artifact("report.html")
    assert report.lower().startswith("<!doctype html>")
    assert len(list(csv.reader(io.StringIO(world.artifact("samples.csv"))))) > 40
    assert world.tests.get(WORKSPACE, world.test.test_id).status is TestStatus.COMPLETED


def with_an_estimate(world: EndingWorld) -> EndingWorld:
    """Put an estimate into the world's test: 12 tokens in and nothing known of the answers."""
    row = VariantEstimate(
        variant="terse",
        provider="local",
        model="small",
        calls=40,
        input_tokens=800,
        output_tokens_max=800,
        cost_usd_max=Decimal("0.08"),
        price_source="configured",
        input_tokens_expected=80,
        input_counted_by="tokenizer o200k_base as a stand-in",
        input_error=0.65,
        input_base="stand-in o200k_base",
        input_base_tokens=80.0,
    )
    running = world.tests.get(WORKSPACE, world.test.test_id)
    estimate = running.estimate.model_copy(update={"by_variant": (row,)})
    world.tests._tests[WORKSPACE, running.test_id] = running.model_copy(update={"estimate": estimate})
    return world


def test_finished_run_tells_how_its_models_performed__against_the_estimate() -> None:
    world = with_an_estimate(EndingWorld())
    world.finish(world.judged())

    analysis = json.loads(world.artifact("analysis.json"))
    terse, wordy = analysis["performance"]
    assert (terse["asked"], terse["outcomes"], terse["attempts"], terse["retries"]) == (40, {"answered": 40}, 40, 0)
    assert (terse["tokens"]["input"], terse["tokens"]["output"], terse["latency_ms"]["n"]) == (40, 40, 40)
    assert Decimal(terse["cost_usd_paid"]) == Decimal(terse["cost_usd_uncached"]) == 40 * COST_USD
    # One token a call was used where two were expected.
    assert terse["estimate"]["input_ratio"] == 0.5
    assert terse["estimate"]["cost_of_max"] == pytest.approx(0.5)
    assert wordy["estimate"] is None
    assert "Calls, tokens and cost" in world.artifact("report.html")


def test_finished_run_teaches_the_next_estimate() -> None:
    world = with_an_estimate(EndingWorld())
    world.finish(world.judged())

    key = calibration.history_key(WORKSPACE, PROVIDER, "small")
    past = calibration.recall(world.history, key, base="stand-in o200k_base", prompt="another")
    assert past is not None
    assert (past.runs, past.calls, past.input_ratio, past.output_tokens) == (1, 40, 0.5, 1.0)


def test_run_ends_with_its_verdict__though_its_history_cannot_be_kept() -> None:
    world = with_an_estimate(EndingWorld())
    state = world.judged()
    world.breaks_once(world.history, "change")

    assert world.finish(state).status == "COMPLETED"


def test_finishing_again_changes_nothing() -> None:
    world = EndingWorld()
    state = world.judged()
    first, run = world.finish(state), world.stored

    assert world.finish(state) == first
    assert world.stored == run


def test_result_is_the_same__whoever_computes_it_again() -> None:
    def effect() -> Any:
        world = EndingWorld()
        world.finish(world.judged())
        return json.loads(world.artifact("analysis.json"))["decision"]

    assert effect() == effect()


def test_finished_run_holds_only__what_it_spent() -> None:
    world = EndingWorld()
    world.finish(world.judged())

    assert world.runs.spending(WORKSPACE, world.run.run_id).spent_usd == 80 * COST_USD
    assert world.free_usd() == LIMIT_USD - 80 * COST_USD


def test_cancelled_run_is_not_finished() -> None:
    world = EndingWorld()
    state = world.judged()
    world.runs.stop(WORKSPACE, world.run.run_id, "cancelled", None)

    with pytest.raises(RunCancelledError):
        world.finish(state)
    assert world.fail().status == "CANCELLED"


@pytest.mark.parametrize("ending", ["finish", "fail"])
@pytest.mark.parametrize(("store", "method"), [("budgets", "release"), ("runs", "finish")])
def test_money_is_released__also_when_the_step_is_repeated_after_an_outage(
    ending: str, store: str, method: str
) -> None:
    world = EndingWorld()
    state = world.judged()
    world.breaks_once(getattr(world, store), method)

    def end() -> FinalState:
        return world.finish(state) if ending == "finish" else world.fail()

    with pytest.raises(StoreUnavailableError):
        end()
    assert end().status == ("COMPLETED" if ending == "finish" else "FAILED")

    assert world.free_usd() == LIMIT_USD - 80 * COST_USD


def test_failed_run_keeps_what_was_done__and_the_first_reason() -> None:
    world = EndingWorld()
    world.answer(1)
    world.provider.script = lambda _prompt: refusal(401)
    world.call(world.message(1))

    ended = world.fail({"Error": "States.ExceedToleratedFailureThreshold", "Cause": "too many"})

    assert ended.status == "FAILED"
    run = world.stored
    assert run.error is not None
    assert run.error.code == "provider_auth"
    assert run.verdict is None
    assert run.artifacts == ("report.html", "samples.csv")
    assert "Land" in world.artifact("samples.csv")
    assert world.free_usd() == LIMIT_USD - 20 * COST_USD
    assert world.tests.get(WORKSPACE, world.test.test_id).status is TestStatus.FAILED


def test_failed_run_without_a_reason_of_its_own_says_what_was_caught() -> None:
    world = EndingWorld()
    world.answer(1)

    world.fail({"Error": "States.Timeout", "Cause": '{"errorMessage": "took too long"}'})

    assert world.stored.error is not None
    assert "States.Timeout" in world.stored.error.message
    assert "took too long" in world.stored.error.message
    assert world.stored.error.what_to_do


@pytest.mark.parametrize("failure", [None, {}, {"Error": None, "Cause": None}, {"Error": "X", "Cause": "[1"}])
def test_run_fails_with_a_sentence__whatever_was_caught(failure: dict[str, Any] | None) -> None:
    world = EndingWorld()
    world.plan()

    assert world.fail(failure).status == "FAILED"
    assert world.stored.error is not None
    assert world.stored.error.message.startswith("A step of the run failed")


def test_run_that_was_never_planned_fails__without_files() -> None:
    world = EndingWorld()

    assert world.fail({"Error": "BudgetExceededError"}).status == "FAILED"
    assert world.stored.artifacts == ()
    assert world.objects.keys("runs/") == []


def test_cancelled_run_keeps_what_was_answered__and_can_start_again() -> None:
    world = EndingWorld()
    world.answer(1)
    world.runs.stop(WORKSPACE, world.run.run_id, "cancelled", None)
    world.call(world.message(1))

    assert world.fail({"Error": "RunCancelledError"}).status == "CANCELLED"

    assert world.stored.error is None
    assert "report.html" in world.stored.artifacts
    assert "Land" in world.artifact("samples.csv")
    before = world.provider.asked.total()
    world.start()
    world.answer(1)
    assert world.provider.asked.total() == before


def test_failing_again_changes_nothing() -> None:
    world = EndingWorld()
    world.answer(1)
    world.fail({"Error": "A"})
    run = world.stored

    assert world.fail({"Error": "B"}).status == "FAILED"
    assert world.stored == run


def test_completed_run_cannot_fail_any_more() -> None:
    world = EndingWorld()
    world.finish(world.judged())

    assert world.fail({"Error": "A"}).status == "COMPLETED"
    assert world.stored.error is None


def test_daily_report_lists_every_run__of_the_last_thirty_days() -> None:
    world = EndingWorld()
    world.finish(world.judged())
    world.start(started_at=world.clock.now())
    world.fail({"Error": "A"})
    world.start(started_at=world.clock.now())

    done = daily_analytics(DailyAnalyticsPorts(world.tests, world.runs, world.objects, world.clock))

    assert done.workspaces == 1
    keys = world.objects.keys(f"portfolio/{WORKSPACE}/")
    assert {key.rpartition("/")[2] for key in keys} == {"portfolio.html", "portfolio.json"}
    text = world.objects.get(next(key for key in keys if key.endswith(".json"))).decode()
    assert world.run.run_id in text
    json.loads(text)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (lambda analysis: analysis | {"schema_version": "0", "gone_since": 1}, True),
        (lambda _analysis: {"schema_version": "9", "results": []}, False),
    ],
    ids=["older", "unknown"],
)
def test_daily_report_is_made__whatever_version_wrote_an_analysis(written: Any, told: bool) -> None:
    world = EndingWorld()
    world.finish(world.judged())
    world.start(started_at=world.clock.now())
    world.finish(world.judged())
    key = object_keys.artifact(WORKSPACE, world.run.run_id, object_keys.ANALYSIS)
    world.objects.put(key, json.dumps(written(json.loads(world.objects.get(key)))).encode())

    daily_analytics(DailyAnalyticsPorts(world.tests, world.runs, world.objects, world.clock))

    (page,) = (key for key in world.objects.keys(f"portfolio/{WORKSPACE}/") if key.endswith(".json"))
    (entry,) = json.loads(world.objects.get(page))["runs"]
    assert (entry["effect"] is not None) == told
    assert entry["decision"]
