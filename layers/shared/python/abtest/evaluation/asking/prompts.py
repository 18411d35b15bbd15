"""Makes the prompt of one question: the judge's template over a sample and its answers, within the fixed frame.

Depends on: `abtest.core.templating`, `abtest.evaluation.prompt_templates`, `abtest.evaluation.asking.blocks`. Used by:
`abtest.evaluation.asking.judge`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from abtest.contracts.records import Document, Sample, Turn
from abtest.core.errors import InvalidInputError
from abtest.core.templating import render, variables
from abtest.evaluation.asking.blocks import Block, Blocks, SampleTexts, sound, tag_of
from abtest.evaluation.model import Dimension
from abtest.evaluation.prompt_templates import ANSWERS, FRAME, REPAIR, check_part, latest

Messages = tuple[tuple[Literal["system", "user", "assistant"], str], ...]
_REPLY_CHARACTERS = 2_000
"""Of a reply that could not be read, how much is shown to the judge again."""
_OF_THE_JUDGE = frozenset({"dimensions", "scale", "ties"})
_ONE_TEXT = ("reference", "expected_outcome", "rubric")
_NO_TAG = "0" * 16
_LONG_ANSWER = "All of an answer has to be shown. " * 1_000
_PROBED = Dimension("probed", "Is it good?", {1: "No.", 2: "Yes."}, (1, 2))


class Prompts:
    """The prompts of one judge, compiled once.

    Args:
        template: name of the built-in template.
        system, user: Jinja2 texts of the judge's parts.
        judge: what the templates may use of the judge itself.
        form: what a reply looks like, for the model to read.
        what: what is given after each reason: `score` or `preference`.
        reference: whether the reference is shown.
    """

    def __init__(
        self, template: str, system: str, user: str, judge: Mapping[str, Any], *, form: str, what: str, reference: bool
    ) -> None:
        frame = latest(FRAME)
        self._system_source, self._user_source = system, user
        self._judge = dict(judge)
        self._reference = reference
        self._rules = render(frame.system, {})
        self._reply = render(frame.user, {"form": form, "what": what})
        self._answer_names = _answer_names(template)
        self._overridden = user != latest(template).user
        # Rendered once where nothing of a sample is in it, as in the built-in ones.
        self._system = self._framed_system(self._judge) if variables(system) <= _OF_THE_JUDGE else None

    def texts(self, sample: Sample) -> SampleTexts:
        """Return what is shown of a sample, once for all of its questions."""
        return SampleTexts(sample, reference=self._reference)

    def messages(self, texts: SampleTexts, answers: Sequence[str], shown: Sequence[int]) -> Messages:
        """Return the prompt of one question.

        Args:
            texts: of the sample.
            answers: one, or the control's and the treatment's.
            shown: positions in `answers` in the order in which they are shown.

        Raises:
            InvalidInputError: the template needs what this sample has not, or does not show its answers.
        """
        # Both orders of a pair have one tag: the prompts then differ in the order alone.
        answers = tuple(map(sound, answers))
        tag = tag_of([*texts.all(), *answers])
        values = {**self._judge, **texts.values(tag)}
        for (variable, name), position in zip(self._answer_names, shown, strict=True):
            values[variable] = Block(name, tag, answers[position])
        system = self._system if self._system is not None else self._framed_system(values)
        user = render(self._user_source, values).strip()
        if self._overridden:
            check_shown(user, {variable: values[variable] for variable, _ in self._answer_names})
        return (("system", system), ("user", f"{user}\n\n{self._reply}"))

    def repaired(self, messages: Messages, reply: str, problem: str) -> Messages:
        """Return the prompt that asks again after a reply that could not be read.

        Args:
            messages: of the first question.
            reply: what the judge wrote; shown as data, and only its beginning.
            problem: what was wrong with it, as a part of a sentence.
        """
        (first, system), (_, user) = messages
        reply = sound(reply)
        cut = reply if len(reply) <= _REPLY_CHARACTERS else f"{reply[:_REPLY_CHARACTERS]}…"
        values = {"problem": problem, "reply": Block("REPLY", tag_of([cut, user]), cut)}
        return ((first, system), ("user", f"{user}\n\n{render(latest(REPAIR).user, values)}"))

    def fixed_text(self) -> str:
        """Return one prompt without anything of a sample."""
        values = {
            **self._judge,
            **_nothing(),
            **{variable: Block(name, _NO_TAG, "") for variable, name in self._answer_names},
        }
        try:
            system = self._system if self._system is not None else self._framed_system(values)
            user = render(self._user_source, values)
        except InvalidInputError:
            # A template may do with a sample what it cannot do with nothing: then its source is near enough.
            system, user = self._system_source, self._user_source
        return f"{system}\n\n{user.strip()}\n\n{self._reply}"

    def _framed_system(self, values: Mapping[str, Any]) -> str:
        return f"{render(self._system_source, values).strip()}\n\n{self._rules}"


class _AnyInput:
    """Stands for the inputs of a sample that is not known: any name gives an empty text."""

    def __getitem__(self, name: str) -> Block:
        return Block("INPUT", _NO_TAG, "")

    def __contains__(self, name: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        # Without this, Python would ask for the items 0, 1, 2 and so on, and find each.
        return iter(())

    def __len__(self) -> int:
        return 0

    def __str__(self) -> str:
        return ""


def _nothing() -> dict[str, Any]:
    empty = SampleTexts(Sample(id="none"), reference=False).values(_NO_TAG)
    return {**empty, "inputs": _AnyInput(), "messages": Blocks(), "documents": Blocks()}


def _answer_names(template: str) -> tuple[tuple[str, str], ...]:
    """Return the variables of the answers with the names that their blocks have."""
    names = ANSWERS[template]
    if len(names) == 1:
        return ((names[0], "RESPONSE"),)
    return tuple((name, f"RESPONSE {number}") for number, name in enumerate(names, start=1))


def check_override(template: str, part: str, source: str) -> None:
    """Return when a text can replace a part of a template for samples that have all there is.

    Args:
        template: its name.
        part: `system` or `user`.
        source: Jinja2 text.

    Raises:
        ValueError: its syntax is wrong, it uses what there is not, it cannot be rendered, or its user part does not
            show every answer whole.
    """
    check_part(template, source)
    everything = Sample(
        id="probe",
        messages=[Turn(role="user", content="-")],
        documents=[Document(text="-")],
        **dict.fromkeys(_ONE_TEXT, "-"),
    )
    values = {**SampleTexts(everything, reference=True).values(_NO_TAG), "inputs": _AnyInput()}
    blocks = {variable: Block(name, _NO_TAG, _LONG_ANSWER) for variable, name in _answer_names(template)}
    judge = {"dimensions": dimension_values([_PROBED]), "scale": {"lowest": 1, "highest": 2}, "ties": True}
    try:
        shown = render(source, {**judge, **values, **blocks})
    except InvalidInputError as error:
        raise ValueError(error.message) from error
    if part == "user":
        try:
            check_shown(shown, blocks)
        except InvalidInputError as error:
            raise ValueError(error.message) from error


def check_shown(prompt: str, answers: Mapping[str, Any]) -> None:
    """Return when a prompt shows every answer that there is: a template may leave one out for some samples alone.

    Args:
        prompt: as it was rendered.
        answers: block of each answer, by variable.

    Raises:
        InvalidInputError: it does not.
    """
    unshown = [repr(name) for name, block in answers.items() if block and str(block) not in prompt]
    if unshown:
        raise InvalidInputError(
            f"the template does not show {' and '.join(unshown)} whole, so that there is nothing to judge"
        )


def dimension_values(dimensions: Sequence[Dimension]) -> list[dict[str, Any]]:
    """Return dimensions as a template reads them: `name`, `question`, `weight`, `anchors` of `point` and `text`."""
    return [
        {
            "name": one.name,
            "question": one.question,
            "weight": one.weight,
            "anchors": [{"point": point, "text": text} for point, text in one.anchors.items()],
        }
        for one in dimensions
    ]
