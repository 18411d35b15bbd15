"""The definition of a test, as a person writes it and the API takes it (`TestConfiguration`).

Only the shape is checked here; what needs knowledge of judges, providers or samples is checked by
`abtest.management.validation`, so that every issue of every kind is reported at once.

Depends on: `abtest.core`. Used by: management, the API, the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from abtest.contracts.expectations import expectation
from abtest.core.errors import InputIssue

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$")]
ContentVersion = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_FOUND_LENGTH = 80


class Definition(BaseModel):
    """A part of a definition: immutable, and nothing it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetReference(Definition):
    """A frozen dataset or recording, named by the SHA-256 of its content."""

    version: ContentVersion


class PromptMessage(Definition):
    """One earlier turn of a conversation, a template as well."""

    role: Literal["user", "assistant"]
    content: str = Field(min_length=1, max_length=200_000)


class Prompt(Definition):
    """Jinja2 templates over a sample's `inputs`.

    Args:
        user: the last message, which the model answers.
        system: instructions before everything.
        messages: earlier turns between the two, in order, such as worked examples.
    """

    user: str = Field(min_length=1, max_length=200_000)
    system: str | None = Field(default=None, min_length=1, max_length=200_000)
    messages: tuple[PromptMessage, ...] = Field(default=(), max_length=50)

    def parts(self) -> dict[str, str]:
        """Return every template by its path within the prompt, in the order the model reads them."""
        earlier = {f"messages.{i}.content": message.content for i, message in enumerate(self.messages)}
        return {**({"system": self.system} if self.system is not None else {}), **earlier, "user": self.user}


class Parameters(Definition):
    """Sampling parameters of a model; None leaves the provider's default.

    Args:
        temperature: 0 is greedy decoding.
        max_tokens: most tokens of an answer.
        seed: for providers that take one.
        stop: up to four strings that end the answer.
        reasoning_effort: how much a reasoning model thinks before it answers.
        output_schema: a JSON schema that the answer must follow.
    """

    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, gt=0, le=1)
    max_tokens: int = Field(default=512, ge=1, le=1_000_000)
    seed: int | None = Field(default=None, ge=0, le=2**31 - 1)
    stop: tuple[Annotated[str, StringConstraints(min_length=1, max_length=100)], ...] = Field(default=(), max_length=4)
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"] | None = None
    output_schema: dict[str, Any] | None = Field(default=None, min_length=1)

    def given(self) -> tuple[str, ...]:
        """Return the names of the parameters that are sent: all but those left to the provider."""
        return tuple(name for name in type(self).model_fields if getattr(self, name) not in (None, ()))


class Variant(Definition):
    """One arm of the test.

    Args:
        provider: identifier of a registered provider; `replay` serves recorded outputs.
        model: the provider's name of the model; a label for `replay`.
        prompt: needed for every provider but `replay`.
        recording: needed for `replay` only.
        mode: `direct` asks for each answer alone; `batch` uses the provider's batch interface, which costs about half
            and takes up to a day.
    """

    provider: Name
    model: str = Field(min_length=1, max_length=200)
    prompt: Prompt | None = None
    parameters: Parameters = Parameters()
    recording: DatasetReference | None = None
    mode: Literal["direct", "batch"] = "direct"


class JudgeConfiguration(Definition):
    """One judge of the test: its type and, beside it, the type's own parameters."""

    model_config = ConfigDict(frozen=True, extra="allow")

    type: str = Field(min_length=1, max_length=64)

    @property
    def parameters(self) -> dict[str, Any]:
        """The type's own parameters."""
        return dict(self.model_extra or {})


class Design(Definition):
    """When a run may be looked at and stopped, declared before it starts.

    Args:
        kind: `fixed` looks once, at the end; `group_sequential` looks at planned times and spends its error rate over
            them; `always_valid` may be looked at any time, by a confidence sequence.
        alpha: two-sided error rate of the primary comparison, over all looks together.
        looks: how often the run may stop, the end included; each look ends a wave. None takes the kind's default.
        spending: of `group_sequential`: `obrien_fleming` spends little early, `pocock` about the same at each look.
        futility: a run stops where the chance to succeed, should the present trend go on, is below this; None never.
    """

    kind: Literal["fixed", "group_sequential", "always_valid"] = "fixed"
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    looks: int | None = Field(default=None, ge=1, le=50)
    spending: Literal["obrien_fleming", "pocock"] | None = None
    futility: float | None = Field(default=None, gt=0, lt=0.5)

    @property
    def waves(self) -> int:
        """Into how many waves a run is cut, each ending with a look."""
        return self.looks or DEFAULT_LOOKS[self.kind]


DEFAULT_LOOKS = {"fixed": 1, "group_sequential": 5, "always_valid": 10}


class Guardrail(Definition):
    """A metric that must not get worse by more than a margin; the treatment must show that it does not.

    Args:
        metric: a judge, or `latency_ms`, `input_tokens`, `output_tokens`, `cost_usd`, `error_rate`, `refusal_rate`.
        statistic: what of the metric is compared: the mean, or a quantile.
        margin: the largest loss that is accepted, in the metric's unit (0.02 of a rate is two points).
        margin_relative: the same as a share of the control's value; either this or `margin`.
    """

    metric: Name
    statistic: Literal["mean", "p50", "p95", "p99"] = "mean"
    margin: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    margin_relative: float | None = Field(default=None, gt=0, le=10, allow_inf_nan=False)


class Budget(Definition):
    """The most a run may spend; None is no cap."""

    cap_usd: Decimal | None = Field(default=None, gt=0)


class TestDefinition(Definition):
    """A whole test (`TestConfiguration`).

    Args:
        primary_margin: the largest loss on the primary metric that still counts as no worse; None never says so.
        tie_margin: scores that differ by no more than this count as a tie where wins are counted.
        guardrails: what must not get worse, each with its margin.
    """

    __test__ = False

    name: Name
    description: str = Field(default="", max_length=2_000)
    dataset: DatasetReference
    control: Name
    variants: dict[Name, Variant] = Field(min_length=2, max_length=10)
    judges: dict[Name, JudgeConfiguration] = Field(min_length=1, max_length=20)
    primary_metric: Name
    primary_margin: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    tie_margin: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    guardrails: dict[Name, Guardrail] = Field(default_factory=dict, max_length=20)
    design: Design = Design()
    budget: Budget = Budget()
    cache: Literal["off", "read", "on"] = "on"
    seed: int = Field(default=0, ge=0, le=2**31 - 1)

    @property
    def treatments(self) -> tuple[str, ...]:
        """The variants that are compared with the control, in the order they are written."""
        return tuple(name for name in self.variants if name != self.control)


def parse_shape(raw: Mapping[str, Any]) -> tuple[TestDefinition | None, list[InputIssue]]:
    """Return the definition and no issue, or None and every issue of its shape.

    Args:
        raw: the decoded YAML or JSON.
    """
    try:
        return TestDefinition.model_validate(raw), []
    except ValidationError as error:
        return None, issues_of(error)


def issues_of(error: ValidationError) -> list[InputIssue]:
    """Return a validation error as issues a person can act on.

    Args:
        error: what pydantic found; one issue for each of its findings.
    """
    return [_issue(finding) for finding in error.errors(include_url=False)]


_KIND_WORDS = {
    "extra_forbidden": ("nothing reads this field", "remove it, or look for a misspelt name"),
    "missing": ("this field is required", None),
}


def _issue(finding: Any) -> InputIssue:
    path = ".".join(str(part) for part in finding["loc"] if part != "[key]") or "(whole)"
    words, allowed = _KIND_WORDS.get(finding["type"], (None, None))
    if finding["type"] == "missing":
        return InputIssue(path, "this field is required")
    if words:
        return InputIssue(path, words, _shortened(finding["input"]), allowed)
    return InputIssue(path, "the value does not fit", _shortened(finding["input"]), _allowed(finding))


def _allowed(finding: Any) -> str:
    context = finding.get("ctx", {})
    if finding["type"] == "literal_error":
        return str(context["expected"])
    if finding["type"] == "string_pattern_mismatch" and context.get("pattern", "").startswith("^[0-9a-f]"):
        return "the content version of a dataset: 64 hexadecimal digits"
    if finding["type"] == "string_pattern_mismatch":
        return "a name: a letter, then up to 63 letters, digits, '.', '_' or '-'"
    message = str(finding["msg"])
    return expectation(finding) or message[0].lower() + message[1:]


def _shortened(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _FOUND_LENGTH else text[: _FOUND_LENGTH - 3] + "..."
