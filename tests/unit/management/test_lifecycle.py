"""The lifecycle: whatever is asked in whatever order, a test is never where the table does not lead."""

from __future__ import annotations

import itertools
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from abtest.core.errors import IllegalTransitionError
from abtest.management.lifecycle import TRANSITIONS, Event, next_status, states_before
from abtest.management.model import TestStatus

EVENTS: tuple[Event, ...] = get_args(Event)
ENDED = {TestStatus.COMPLETED, TestStatus.FAILED, TestStatus.CANCELLED}


@pytest.mark.parametrize(("status", "event"), list(itertools.product(TestStatus, EVENTS)))
def test_every_pair_is_decided__by_the_table_alone(status: TestStatus, event: Event) -> None:
    if (status, event) in TRANSITIONS:
        assert next_status(status, event) is TRANSITIONS[status, event]
        return
    with pytest.raises(IllegalTransitionError) as caught:
        next_status(status, event)
    assert caught.value.details["status"] == status
    assert set(caught.value.details["allowed"]) == {e for s, e in TRANSITIONS if s == status}


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_any_sequence_stays_legal__and_refused_events_change_nothing(events: list[Event]) -> None:
    status = TestStatus.DRAFT
    taken = [status]
    for event in events:
        try:
            status = next_status(status, event)
        except IllegalTransitionError:
            continue
        taken.append(status)

    steps = set(itertools.pairwise(taken))
    assert steps <= {(before, after) for (before, _), after in TRANSITIONS.items()}
    # A test ends only from RUNNING, runs only when it was validated, and never becomes a draft again.
    assert all(before is TestStatus.RUNNING for before, after in steps if after in ENDED)
    assert TestStatus.RUNNING not in taken or taken[:2] == [TestStatus.DRAFT, TestStatus.READY]
    assert TestStatus.DRAFT not in taken[1:]


def test_every_state_is_reachable__and_only_draft_is_a_beginning() -> None:
    assert {TestStatus.DRAFT, *TRANSITIONS.values()} == set(TestStatus)
    assert TestStatus.DRAFT not in TRANSITIONS.values()


def test_states_before_an_event__are_those_of_the_table() -> None:
    assert set(states_before("start")) == {TestStatus.READY, *ENDED}
    assert states_before("complete") == (TestStatus.RUNNING,)


def test_refusal_names_what_is_possible() -> None:
    with pytest.raises(IllegalTransitionError, match=r"a run that goes on.*Wait for its end"):
        next_status(TestStatus.RUNNING, "start")
