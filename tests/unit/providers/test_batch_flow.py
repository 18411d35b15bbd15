"""`mode: batch` from the worker's first look at a message to the rows, over each vendor's interface."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import pytest
from batch_world import COST_USD, RUN, VENDORS, BatchWorld, is_waiting

from abtest.core.errors import (
    ProviderAuthError,
    ProviderConfigurationError,
    ProviderUnavailableError,
    StoreUnavailableError,
)
from abtest.providers.batches.model import JobCounts, JobId, JobState
from abtest.providers.batches.schedule import TIMES
from abtest.providers.ledger_key import request_key
from abtest.providers.model import CallFailure, HttpReply, HttpRequest
from abtest.providers.registry import codec_of

DAY_S = 24 * 3600.0


@pytest.mark.parametrize("vendor", VENDORS)
def test_answers_come_back_as_rows__at_half_the_price_and_without_a_latency(vendor: str) -> None:
    world = BatchWorld(vendor)

    assert is_waiting(world.work())
    assert not world.poll().moved[0].counts.answered
    world.server.finish()
    world.poll()
    (message,) = world.taken_back()
    result = world.work(message)

    assert message == world.message()
    assert [(row.sample_id, row.text) for row in result.responses] == [
        (f"s0-{n}", f"re: question a 0 {n}") for n in range(4)
    ]
    assert {
        (row.outcome, row.latency_ms, row.cost_usd, row.price_source, row.from_ledger) for row in result.responses
    } == {("answered", None, COST_USD, "configured, batch", False)}
    assert {row.served_model for row in result.responses} == {"small"}
    assert (world.record.calls, world.record.spent_usd) == (4, 4 * COST_USD)
    assert set(world.server.paid.values()) == {1}
    assert (world.state().phase, world.jobs.open()) == ("closed", [])


@pytest.mark.parametrize("vendor", VENDORS)
def test_one_job_holds_the_whole_batch__with_the_vendors_own_request_bodies(vendor: str) -> None:
    world = BatchWorld(vendor, size=3)
    world.work()
    (job,) = world.server.jobs
    direct = world.requests()[0]
    alone = json.loads(codec_of(vendor).build(direct, world.provider, "key-1").body)  # type: ignore[union-attr]

    assert len(job.requests) == 3
    assert job.requests[0][1] == alone
    assert len({custom_id for custom_id, _ in job.requests}) == 3
    assert all(len(custom_id) <= 64 for custom_id, _ in job.requests)
    assert job.name in (None, world.state().vendor_key)


def test_a_second_run_takes_what_the_first_paid_for() -> None:
    world = BatchWorld()
    world.work()
    world.server.finish()
    world.poll()
    again = BatchWorld(server=world.server, clock=world.clock)
    again.ledger = world.ledger
    requests = [request.model_copy(update={"variant": "b"}) for request in world.requests()]

    result = again.work(again.message(variant="b"), requests)

    assert {row.from_ledger for row in result.responses} == {True}
    assert (again.record.calls, len(world.server.jobs)) == (0, 1)


def test_answers_of_direct_calls_are_not_taken_for_those_of_the_batch_interface() -> None:
    world = BatchWorld()
    (request, *_) = world.requests()

    assert request_key(request, world.provider) != request_key(
        request.model_copy(update={"mode": "batch"}), world.provider
    )


@pytest.mark.parametrize("vendor", VENDORS)
def test_each_request_without_an_answer_says_why(vendor: str) -> None:
    outcomes = ["answered", "errored", "expired", "cancelled"]
    world = BatchWorld(vendor)
    world.server.faults.outcome = outcomes.__getitem__
    world.work()
    world.server.finish()
    world.poll()
    result = world.work(world.taken_back()[0])
    reasons = [row.failure_reason for row in result.responses]

    expected = [None, "bad_request", "batch_expired", "cancelled"]
    if vendor == "gemini":
        # Its errors are those of single calls: a deadline that was exceeded, a call that was cancelled.
        expected = [None, "bad_request", "timeout", "timeout"]
    assert reasons == expected
    assert result.fatal is None
    assert world.record.calls == 1
    assert world.state().counts == JobCounts(answered=1, failed=3)


@pytest.mark.parametrize("vendor", ["openai_chat", "gemini"])
def test_a_job_that_expired_keeps_what_it_answered(vendor: str) -> None:
    world = BatchWorld(vendor)
    world.server.faults.outcome = lambda index: "answered" if index == 0 and vendor != "gemini" else "missing"
    world.work()
    world.server.finish("expired")
    world.poll()
    result = world.work(world.taken_back()[0])

    reasons = Counter(row.failure_reason for row in result.responses)
    assert reasons == ({"batch_expired": 4} if vendor == "gemini" else {None: 1, "batch_expired": 3})


def test_a_message_delivered_twice_is_one_job() -> None:
    world = BatchWorld()

    assert [is_waiting(world.work()) for _ in range(3)] == [True] * 3
    assert len(world.server.jobs) == 1


def test_two_workers_at_a_time_hand_over_one_job() -> None:
    world = BatchWorld()
    get = world.jobs.get

    def seen_before_the_other_wrote(job: JobId) -> JobState | None:
        world.jobs.get = get  # type: ignore[method-assign]
        found = get(job)
        assert is_waiting(world.work())
        return found

    world.jobs.get = seen_before_the_other_wrote  # type: ignore[method-assign]
    assert is_waiting(world.work())
    assert len(world.server.jobs) == 1


def test_what_is_kept_of_a_job_shows_neither_token_nor_prompt() -> None:
    world = BatchWorld()
    world.work()
    kept = world.jobs.requests(world.state().id)

    assert "token-a-0" not in repr(kept)
    assert "question" not in kept.model_dump_json()  # type: ignore[union-attr]


def test_equal_prompts_are_asked_once() -> None:
    world = BatchWorld()
    first, *_ = world.requests()
    requests = [first, first.model_copy(update={"sample_id": "again"})]
    world.work(requests=requests)
    world.server.finish()
    world.poll()
    result = world.work(requests=requests)

    assert [row.from_ledger for row in result.responses] == [False, True]
    assert world.record.calls == 1


# What happens when something dies


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_lost_reply_to_the_submission__finds_the_job_and_pays_once(vendor: str) -> None:
    world = BatchWorld(vendor)
    world.server.faults.lost_replies = 1

    assert is_waiting(world.work())
    assert world.state().phase == "submitting"
    world.server.finish()
    world.poll(TIMES.unsure_s)
    world.poll()
    result = world.work(world.taken_back()[0])

    assert {row.outcome for row in result.responses} == {"answered"}
    assert len(world.server.jobs) == 1
    assert set(world.server.paid.values()) == {1}


def test_a_lost_reply_at_anthropic__waits_while_a_job_of_that_time_may_be_it() -> None:
    world = BatchWorld("anthropic")
    world.server.faults.lost_replies = 1
    world.work()

    world.poll(TIMES.unsure_s)
    assert world.state().phase == "submitting"
    assert "may be this" in world.state().trouble.detail
    assert world.brought_back == []
    world.server.finish()
    world.poll(300)
    assert world.state().phase == "submitted"
    assert len(world.server.jobs) == 1


def test_a_lost_reply_at_anthropic__other_jobs_of_ours_are_not_waited_for() -> None:
    world = BatchWorld("anthropic")
    world.work(world.message(1))
    world.server.faults.lost_replies = 1
    world.work(world.message(0))
    world.server.jobs.pop()
    world.poll(TIMES.unsure_s)

    # The only job of that size and time at the vendor is known to be another.
    assert world.state(0).phase == "absent"
    assert [message.batch.batch for message in world.taken_back()] == [0]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_submission_that_never_arrived__is_made_again(vendor: str) -> None:
    world = BatchWorld(vendor)
    world.server.faults.lost_replies = 1
    world.work()
    world.server.jobs.clear()
    world.poll(TIMES.unsure_s)
    (message,) = world.taken_back()
    assert world.state().phase == "absent"

    assert is_waiting(world.work(message))
    assert (world.state().phase, world.state().submissions) == ("submitted", 2)
    assert len(world.server.jobs) == 1


def test_a_worker_that_dies_before_the_vendor_answered__is_taken_over_when_its_lease_ends() -> None:
    world = BatchWorld()
    keep = world.jobs.write
    written = []

    def dying(state, requests=None):
        if written:
            raise RuntimeError("the worker is gone")
        written.append(state)
        return keep(state, requests)

    world.jobs.write = dying  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        world.work()
    world.jobs.write = keep  # type: ignore[method-assign]

    assert len(world.server.jobs) == 1
    world.poll(60)
    assert world.state().phase == "submitting"
    world.poll(world.remaining_s + 200)
    assert (world.state().phase, world.state().vendor_job_id) == ("submitted", world.server.jobs[0].identifier)


@pytest.mark.parametrize("writes", [0, 1, 2])
def test_a_poller_that_dies_amid_the_answers__counts_no_more_than_one_write_twice(writes: int) -> None:
    world = BatchWorld(size=60)
    world.work()
    world.server.finish()
    world.ledger.writes_left = writes
    assert world.poll().broken == 1
    assert world.brought_back == []
    world.ledger.writes_left = None
    world.poll(400)
    result = world.work(world.taken_back()[0])

    assert {row.outcome for row in result.responses} == {"answered"}
    repeated = 25 if writes < 2 else 10
    assert world.record.calls == 60 + repeated
    assert set(world.server.paid.values()) == {1}


def test_a_poller_that_dies_before_the_message_went_back__leaves_that_to_the_next() -> None:
    world = BatchWorld()
    world.work()
    world.server.finish()

    class Broken(list):  # type: ignore[type-arg]
        def append(self, item: object) -> None:
            raise StoreUnavailableError("SQS is away")

    kept, world.brought_back = world.brought_back, Broken()
    assert world.poll().broken == 1
    world.brought_back = kept
    assert world.state().phase == "ended"
    world.poll(400)

    assert len(world.brought_back) == 1
    assert (world.state().phase, world.record.calls) == ("closed", 4)


def test_two_pollers_at_a_time__work_on_a_job_once() -> None:
    world = BatchWorld()
    world.work()
    world.server.finish()
    world.clock.pass_s(60)
    seen = list(world.jobs.open())

    class Stale:
        """What a poller sees that read the list before another one took the job."""

        def __getattr__(self, name: str) -> object:
            return getattr(world.jobs, name)

        def open(self) -> object:
            return seen

    world.poll(0)
    world.poll(0, Stale())

    assert (len(world.brought_back), world.record.calls) == (1, 4)


# What the vendor says no to


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_refused_key_fails_the_run(vendor: str) -> None:
    world = BatchWorld(vendor)
    world.server.faults.statuses = [401]
    result = world.work()

    assert isinstance(result.fatal, ProviderAuthError)
    assert "key-1" not in str(result.fatal)
    assert world.jobs.open() == []
    # Another delivery of the message says the same.
    assert isinstance(world.work().fatal, ProviderAuthError)


def test_a_server_without_a_batch_interface__says_to_use_direct_calls() -> None:
    world = BatchWorld()
    world.server.faults.statuses = [404]
    result = world.work()

    assert isinstance(result.fatal, ProviderConfigurationError)
    assert "mode: direct" in result.fatal.details["what_to_do"]


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_throttled_submission_is_made_again_later(vendor: str) -> None:
    world = BatchWorld(vendor)
    world.server.faults.statuses = [429]

    assert is_waiting(world.work())
    assert world.state().phase == "absent"
    world.poll(30)
    assert world.brought_back == []
    world.poll(60)
    assert is_waiting(world.work(world.taken_back()[0]))
    assert world.state().phase == "submitted"


def test_a_vendor_that_never_takes_a_job__fails_the_run_in_the_end() -> None:
    world = BatchWorld()
    world.server.faults.statuses = [429] * 1000
    world.work()
    for _ in range(12):
        world.poll(2 * 3600)
        for message in world.taken_back():
            result = world.work(message)

    assert isinstance(result.fatal, ProviderUnavailableError)
    assert world.jobs.open() == []


def test_a_server_error_on_submission__is_not_answered_by_a_second_submission() -> None:
    world = BatchWorld("anthropic")
    world.server.faults.statuses = [500]

    assert is_waiting(world.work())
    assert world.state().phase == "submitting"
    world.poll(TIMES.unsure_s)
    assert world.state().phase == "absent"


def test_a_full_account_at_openai__is_tried_again() -> None:
    world = BatchWorld()
    world.server.faults.rejected = "token_limit_exceeded"
    world.work()
    world.poll()
    assert (world.state().phase, world.state().vendor_job_id) == ("absent", None)
    world.server.faults.rejected = None
    world.poll(60)
    world.work(world.taken_back()[0])

    assert (world.state().phase, world.state().submissions) == ("submitted", 2)


def test_a_file_that_openai_cannot_use__fails_every_request() -> None:
    world = BatchWorld()
    world.server.faults.rejected = "invalid_json_line"
    world.work()
    world.poll()
    result = world.work(world.taken_back()[0])

    assert {row.failure_reason for row in result.responses} == {"batch_failed"}


def test_a_model_that_openai_does_not_know__fails_the_run() -> None:
    world = BatchWorld()
    world.server.faults.rejected = "model_not_found"
    world.work()
    world.poll()
    result = world.work(world.taken_back()[0])

    assert isinstance(result.fatal, ProviderConfigurationError)


def test_azures_addresses_have_no_batch_interface_here() -> None:
    world = BatchWorld(options={"api_version": "2024-10-21"})

    with pytest.raises(ProviderConfigurationError, match="Azure"):
        world.work()


# Looking


@pytest.mark.parametrize("vendor", VENDORS)
def test_looks_that_fail_are_repeated__later_each_time(vendor: str) -> None:
    world = BatchWorld(vendor)
    world.work()
    world.server.faults.look_statuses = [500, 503, 429]
    waits = []
    for _ in range(3):
        world.poll(600)
        waits.append((world.state().next_look_at - world.clock.now()).total_seconds())
    world.server.finish()
    world.poll(600)

    assert waits == [60, 120, 240]
    assert len(world.taken_back()) == 1


def test_a_job_is_looked_at_each_minute_while_young__then_each_five() -> None:
    world = BatchWorld()
    world.work()
    looks = []
    for _ in range(120):
        world.poll(60)
        looks.append(world.server.jobs[0].looks)

    assert looks[28] == 29
    assert looks[-1] - looks[29] == 90 / 5


def test_a_job_of_which_nothing_is_heard_for_a_day__has_expired() -> None:
    world = BatchWorld()
    world.work()
    world.poll(DAY_S + TIMES.grace_s - 120)
    assert world.state().phase == "submitted"
    world.poll(TIMES.late_look_s)
    result = world.work(world.taken_back()[0])

    assert {row.failure_reason for row in result.responses} == {"batch_expired"}


def test_a_key_that_was_revoked_meanwhile__is_what_the_rows_say() -> None:
    world = BatchWorld()
    world.work()
    world.server.faults.look_statuses = [401] * 1000
    for _ in range(28):
        world.poll(3600)
    result = world.work(world.taken_back()[0])

    assert isinstance(result.fatal, ProviderAuthError)


def test_a_job_the_vendor_does_not_know__is_lost_after_some_looks() -> None:
    world = BatchWorld()
    world.work()
    world.server.jobs.clear()
    for _ in range(TIMES.lost_looks):
        world.poll(600)
    result = world.work(world.taken_back()[0])

    assert {row.failure_reason for row in result.responses} == {"batch_failed"}


@pytest.mark.parametrize("vendor", ["anthropic", "openai_chat"])
def test_results_that_are_too_long_are_given_up_as_that(vendor: str) -> None:
    world = BatchWorld(vendor)
    world.work()
    world.server.finish()
    send = world.transport.send
    too_large = CallFailure(failure_reason="too_large", retryable=False, status=200, detail="HTTP 200, too long")

    async def sent(request: HttpRequest, timeout_s: float) -> HttpReply | CallFailure:
        return too_large if request.url.endswith(("/results", "/content")) else await send(request, timeout_s)

    world.transport.send = sent  # type: ignore[method-assign]
    for _ in range(TIMES.imperfect_reads):
        world.poll(600)
    result = world.work(world.taken_back()[0])

    assert {row.failure_reason for row in result.responses} == {"too_large"}


def test_results_behind_a_key_that_was_revoked__are_waited_for() -> None:
    world = BatchWorld("anthropic")
    world.work()
    world.server.finish()
    send, refused = world.transport.send, [401] * 5

    async def sent(request: HttpRequest, timeout_s: float) -> HttpReply | CallFailure:
        if request.url.endswith("/results") and refused:
            return HttpReply(status=refused.pop(), headers={}, body=b"{}")
        return await send(request, timeout_s)

    world.transport.send = sent  # type: ignore[method-assign]
    for _ in range(6):
        world.poll(600)

    assert {row.outcome for row in world.work(world.taken_back()[0]).responses} == {"answered"}


def test_one_job_that_cannot_be_served__does_not_keep_the_others() -> None:
    world = BatchWorld()
    world.work(world.message(0))
    world.work(world.message(1))
    world.server.finish()
    state = world.state(0)
    requests = world.jobs.requests(state.id)
    assert requests is not None
    gone = requests.provider.model_copy(update={"vendor": "gone_vendor"})
    world.jobs.write(state, requests.model_copy(update={"provider": gone}))
    polled = world.poll()

    assert (polled.broken, [message.batch.batch for message in world.taken_back()]) == (1, [1])


def test_a_fault_with_one_job__is_told_after_the_others_were_served() -> None:
    world = BatchWorld()
    world.work(world.message(0))
    world.work(world.message(1))
    world.server.finish()
    send, first = world.transport.send, world.state(0).vendor_job_id

    async def sent(request: HttpRequest, timeout_s: float) -> HttpReply | CallFailure:
        if str(first) in request.url:
            raise ZeroDivisionError
        return await send(request, timeout_s)

    world.transport.send = sent  # type: ignore[method-assign]
    with pytest.raises(ZeroDivisionError):
        world.poll()
    assert [message.batch.batch for message in world.taken_back()] == [1]


def test_a_secret_that_is_gone_does_not_stop_the_poller() -> None:
    world = BatchWorld()
    world.work()
    world.keys.clear()

    assert world.poll().broken == 0


# Results that are not as they should be


@pytest.mark.parametrize("vendor", VENDORS)
def test_results_in_another_order_with_strangers_and_repeats__are_matched_and_counted(vendor: str) -> None:
    def mangled(lines: list[bytes]) -> list[bytes]:
        prefix = world.state().id.custom_prefix(1).encode()
        stranger = lines[0].replace(prefix + b"00000", b"somebody-elses")
        return [*reversed(lines), lines[1], stranger]

    world = BatchWorld(vendor)
    world.server.faults.mangled = mangled
    world.work()
    world.server.finish()
    world.poll()
    result = world.work(world.taken_back()[0])

    assert [row.text for row in result.responses] == [f"re: question a 0 {n}" for n in range(4)]
    assert world.state().counts == JobCounts(answered=4, mismatched=1, duplicates=1)
    assert world.record.calls == 4


@pytest.mark.parametrize("vendor", ["anthropic", "openai_chat", "openai_responses"])
def test_a_cut_file_is_read_again__and_what_stays_missing_is_malformed(vendor: str) -> None:
    world = BatchWorld(vendor)
    world.server.faults.mangled = lambda lines: [*lines[:2], lines[2][:40]]
    world.work()
    world.server.finish()
    world.poll()
    assert (world.state().phase, world.record.calls, world.brought_back) == ("submitted", 2, [])
    world.poll(60)
    world.poll(120)
    result = world.work(world.taken_back()[0])

    assert [row.failure_reason for row in result.responses] == [None, None, "malformed", "malformed"]
    assert world.state().counts == JobCounts(answered=2, failed=2, unreadable=1)
    assert world.record.calls == 2


def test_a_file_that_was_cut_once__is_whole_the_next_time() -> None:
    world = BatchWorld("anthropic")
    world.server.faults.mangled = lambda lines: lines[:1]
    world.work()
    world.server.finish()
    world.poll()
    world.server.faults.mangled = lambda lines: lines
    world.poll(60)
    result = world.work(world.taken_back()[0])

    assert {row.outcome for row in result.responses} == {"answered"}
    assert world.record.calls == 4


def test_gemini_answers_without_names_are_known_by_their_place() -> None:
    world = BatchWorld("gemini")
    world.server.faults.with_names = False
    world.work()
    world.server.finish()
    world.poll()
    result = world.work(world.taken_back()[0])

    assert [row.text for row in result.responses] == [f"re: question a 0 {n}" for n in range(4)]


def test_gemini_answers_without_names_and_one_too_few__are_not_guessed() -> None:
    world = BatchWorld("gemini")
    world.server.faults.with_names = False
    world.server.faults.outcome = lambda index: "missing" if index == 1 else "answered"
    world.work()
    world.server.finish()
    for _ in range(3):
        world.poll(600)
    result = world.work(world.taken_back()[0])

    assert {row.failure_reason for row in result.responses} == {"malformed"}
    assert world.record.calls == 0


def test_results_of_another_submission_are_not_taken() -> None:
    world = BatchWorld("anthropic")
    world.server.faults.mangled = lambda lines: [line.replace(b"-1-0", b"-2-0") for line in lines]
    world.work()
    world.server.finish()
    for _ in range(3):
        world.poll(600)
    result = world.work(world.taken_back()[0])

    assert {row.failure_reason for row in result.responses} == {"mismatched"}


# Money


def test_a_job_that_does_not_fit_under_the_cap_is_not_handed_over() -> None:
    world = BatchWorld()
    world.record.cap_usd = Decimal("0.001")
    result = world.work()

    assert result.stopped == "budget"
    assert {row.failure_reason for row in result.responses} == {"budget"}
    assert (world.server.jobs, world.jobs.open()) == ([], [])
    assert {row.failure_reason for row in world.work().responses} == {"budget"}


def test_jobs_that_fit_only_one_after_the_other__wait_for_each_other() -> None:
    world = BatchWorld()
    world.work(world.message(0))
    worst_usd = world.state(0).worst_cost_usd
    assert worst_usd is not None
    world.record.cap_usd = worst_usd * Decimal("1.5")
    assert worst_usd > 4 * COST_USD

    assert is_waiting(world.work(world.message(1)))
    assert is_waiting(world.work(world.message(2)))
    assert [world.state(n).phase for n in range(3)] == ["submitted", "parked", "parked"]
    world.poll()
    assert world.brought_back == []
    world.server.finish()
    world.poll()
    messages = world.taken_back()
    # The first is done; of the two that waited one has room now.
    assert sorted(world.state(n).phase for n in range(3)) == ["absent", "closed", "parked"]
    results = [world.work(message) for message in messages]
    assert sum(not is_waiting(result) for result in results) == 1
    world.server.finish()
    world.poll()
    for message in world.taken_back():
        world.work(message)
    world.server.finish()
    world.poll()

    assert world.record.calls == 12
    assert world.record.spent_usd <= world.record.cap_usd
    assert len(world.server.jobs) == 3


def test_an_unknown_price_has_room_until_the_cap_is_reached() -> None:
    world = BatchWorld()
    world.record.cap_usd, world.record.spent_usd = Decimal(1), Decimal("0.5")
    requests = [request.model_copy(update={"model": "unheard-of"}) for request in world.requests()]

    assert is_waiting(world.work(requests=requests))
    assert world.state().worst_cost_usd is None


# Cancelling


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_cancelled_run_cancels_its_job__and_keeps_what_was_paid_for(vendor: str) -> None:
    world = BatchWorld(vendor)
    world.work()
    world.record.stopped = True
    world.poll()
    assert len(world.taken_back()) == 1
    assert (world.state().phase, world.server.jobs[0].state) == ("cancelling", "cancelling")
    world.server.faults.outcome = lambda index: "answered" if index < 2 else "cancelled"
    world.server.finish("cancelled")
    world.poll()

    assert (world.state().phase, world.brought_back) == ("closed", [])
    assert world.record.calls == 2


def test_a_cancelled_run__whose_job_has_just_ended_is_read() -> None:
    world = BatchWorld()
    world.work()
    world.server.finish()
    world.record.stopped = True
    world.poll()
    world.poll()

    assert (world.state().phase, world.record.calls, len(world.brought_back)) == ("closed", 4, 1)


@pytest.mark.parametrize("status", [429, 500])
def test_a_cancelled_run__whose_submission_is_open_is_settled(status: int) -> None:
    world = BatchWorld()
    world.server.faults.statuses = [status]
    world.work()
    world.record.stopped = True
    world.poll(600)

    assert (world.state().phase, len(world.brought_back)) == ("closed", 1)


def test_a_run_that_is_stopped_submits_nothing() -> None:
    world = BatchWorld()
    world.record.stopped = True

    assert world.work().stopped == "cancelled"
    assert world.server.jobs == []


def test_a_worker_without_time_leaves_the_batch_to_another() -> None:
    world = BatchWorld()
    world.remaining_s = 10

    assert world.work().stopped == "deadline"
    assert world.server.jobs == []


def test_a_job_is_named_by_its_batch_and_nothing_of_it_is_told() -> None:
    world = BatchWorld()
    job = JobId.of(world.message())

    assert job.key != JobId.of(world.message(1)).key
    assert RUN not in job.vendor_key(1)
    assert len(job.vendor_key(99)) <= 64
