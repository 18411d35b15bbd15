"""Makes votes of replies and a verdict of votes, and adds up what the calls took.

Depends on: `abtest.contracts.records`, `abtest.evaluation.parsing`. Used by: `abtest.evaluation.asking.judge`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from abtest.contracts.records import JudgeUse, ModelResponse, Order, VerdictStatus, Vote
from abtest.evaluation.asking.blocks import sound
from abtest.evaluation.model import Question, Reply
from abtest.evaluation.parsing import Part, UnreadableError
from abtest.evaluation.response_facts import shortened, why_missing

REPAIR = "/repair"
"""Ends the name of a question that asks again."""
_PRECISION_DIGITS = 9
"""Means are rounded here: noise of the sums must not make a win of a tie."""

Read = Callable[[str, Order | None], Mapping[str, Part]]
"""Reads a reply to a question of an order, or raises `UnreadableError`."""


def reading(response: ModelResponse, order: Order | None, read: Read) -> Mapping[str, Part]:
    """Return what an answered call says.

    Raises:
        UnreadableError: the model declined, was cut off, or wrote what cannot be read.
    """
    if response.outcome in ("refused", "filtered"):
        raise UnreadableError(f"the judge's reply was {response.outcome}")
    if response.outcome == "truncated":
        raise UnreadableError("it was cut off at its largest number of tokens")
    return read(response.text or "", order)


def can_be_repaired(response: ModelResponse) -> bool:
    """Return whether asking again may help where a reply cannot be read: not where the model or its filter declined."""
    return response.outcome in ("answered", "truncated")


def vote_of(
    question: Question, replies: Mapping[str, Reply], read: Read, mean: Callable[[Sequence[float]], float]
) -> Vote:
    """Return what became of a question, its repair included.

    Args:
        question: that was asked.
        replies: by the question's id.
        read: reads a reply as scores of what was judged: of a pair the treatment's share, by dimension or overall.
        mean: the overall score of the scores in order, where none was asked for.
    """

    def vote(status: VerdictStatus, reason: str | None, *, fallback: int, repaired: bool = False) -> Vote:
        return Vote(
            order=question.order,
            repeat=question.repeat,
            status=status,
            reason=reason,
            fallback=fallback,
            repaired=repaired,
        )

    first = replies.get(question.id)
    if first is None:
        return vote("not_judged", "the judge was not asked", fallback=0)
    fallback, response = first
    missing = why_missing(response)
    if missing is not None:
        return vote("not_judged", f"the judge could not be asked: {missing}", fallback=fallback)
    try:
        return _scored(question, reading(response, question.order, read), fallback, mean, repaired=False)
    except UnreadableError as error:
        problem = str(error)
    second = replies.get(question.id + REPAIR)
    if second is not None and second[1].outcome != "failed":
        try:
            return _scored(question, reading(second[1], question.order, read), second[0], mean, repaired=True)
        except UnreadableError as error:
            problem = f"{problem}; asked again: {error}"
    return vote("invalid", shortened(f"the judge's reply cannot be used: {problem}"), fallback=fallback)


def _scored(
    question: Question,
    parts: Mapping[str, Part],
    fallback: int,
    mean: Callable[[Sequence[float]], float],
    *,
    repaired: bool,
) -> Vote:
    overall = parts.get("")
    dimensions = {name: part.value for name, part in parts.items() if name}
    return Vote(
        order=question.order,
        repeat=question.repeat,
        status="scored",
        score=overall.value if overall is not None else mean(list(dimensions.values())),
        dimensions=dimensions if len(dimensions) > 1 else {},
        reason=_reason(parts),
        repaired=repaired,
        fallback=fallback,
    )


def _reason(parts: Mapping[str, Part]) -> str | None:
    overall = parts.get("")
    told = [overall] if overall is not None else list(parts.values())
    if len(told) == 1:
        text = told[0].reason or ""
    else:
        text = " ".join(f"{name}: {part.reason}" for name, part in parts.items() if part.reason)
    text = " ".join(sound(text).split())
    return shortened(text) if text else None


def status_of(votes: Sequence[Vote]) -> tuple[VerdictStatus, str | None]:
    """Return whether votes make a verdict: they do when each order they were asked in has a valid one.

    Returns:
        The status, and why there is no verdict; None where there is one.
    """
    valid = {vote.order for vote in votes if vote.status == "scored"}
    lacking = [vote for vote in votes if vote.order not in valid]
    if not lacking:
        return "scored", None
    # What the judge said and nobody can use is said before what it was not asked.
    first = next((vote for vote in lacking if vote.status == "invalid"), lacking[0])
    return first.status, first.reason


def averaged(votes: Sequence[Vote]) -> tuple[float, dict[str, float]]:
    """Return the score and the dimensions' scores: the mean over repeats within an order, then over the orders.

    Args:
        votes: with a valid one in each order.
    """
    by_order: dict[Order | None, list[Vote]] = {}
    for vote in votes:
        if vote.status == "scored":
            by_order.setdefault(vote.order, []).append(vote)
    groups = list(by_order.values())
    dimensions = groups[0][0].dimensions
    return (
        mean_of([mean_of([vote.score for vote in group if vote.score is not None]) for group in groups]),
        {
            name: mean_of([mean_of([vote.dimensions[name] for vote in group]) for group in groups])
            for name in dimensions
        },
    )


def mean_of(values: Sequence[float], weights: Sequence[float] | None = None) -> float:
    """Return the (weighted) mean of some values, without the noise of its sums."""
    if len(values) == 1:
        return values[0]
    if weights is None:
        return round(math.fsum(values) / len(values), _PRECISION_DIGITS)
    total = math.fsum(weight * value for weight, value in zip(weights, values, strict=True))
    return round(total / math.fsum(weights), _PRECISION_DIGITS)


def use_of(questions: Iterable[Question], replies: Mapping[str, Reply]) -> JudgeUse:
    """Return what the answered calls behind a verdict took."""
    calls = repairs = from_ledger = input_tokens = output_tokens = 0
    cost_usd: Decimal | None = Decimal(0)
    spent_usd = Decimal(0)
    for question in questions:
        for name in (question.id, question.id + REPAIR):
            reply = replies.get(name)
            if reply is None or reply[1].outcome == "failed":
                continue
            response = reply[1]
            calls += 1
            repairs += name != question.id
            from_ledger += response.from_ledger
            if response.usage is not None:
                input_tokens += response.usage.total_input_tokens
                output_tokens += response.usage.total_output_tokens
            if response.cost_usd is None or cost_usd is None:
                cost_usd = None
            else:
                cost_usd += response.cost_usd
            if not response.from_ledger:
                spent_usd += response.cost_usd or Decimal(0)
    return JudgeUse(
        calls=calls,
        repairs=repairs,
        from_ledger=from_ledger,
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cost_usd=cost_usd,
        spent_usd=spent_usd,
    )
