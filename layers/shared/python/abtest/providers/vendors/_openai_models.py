"""What OpenAI's own models refuse, by family: reasoning models take no sampling parameters, most take no stop strings.

Only for the vendor's own host: elsewhere a model's name says nothing. A model of no known family is refused nothing
here; the vendor then refuses what it must, and a registration's `unsupported_parameters` can say so beforehand.

Source, read in November 2026: the reasoning and structured-output guides at https://developers.openai.com/api/docs,
the notes on parameters in the official client (openai 3.57.0), the model profiles of pydantic-ai, which its authors
checked against the live API in July 2026, the capability table of the Vercel AI SDK, and the error texts in
anomalyco/opencode#4451, huggingface/smolagents#1662, #1868 and #1893.

Depends on: `abtest.contracts`. Used by: the codecs of OpenAI's two APIs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from abtest.contracts.definition import Parameters


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """What the models of one family take.

    Args:
        name: a pattern that the whole name of a model matches.
        efforts: levels of `reasoning_effort`, with spaces between; empty when the models do not reason.
        sampling: when `temperature` and `top_p` are taken.
        default_effort: what leaving `reasoning_effort` out means.
        stop: whether `stop` is taken.
        schema: whether an `output_schema` is taken.
    """

    name: str
    efforts: str = ""
    sampling: Literal["always", "without_reasoning", "never"] = "never"
    default_effort: str = "medium"
    stop: bool = False
    schema: bool = True


# The first that fits is taken.
_FAMILIES = (
    ModelFamily(r"gpt-6(\.\d+)?-astra.*", "low medium high xhigh max"),
    ModelFamily(r"gpt-6([.-].*)?", "none low medium high xhigh max"),
    ModelFamily(r"gpt-5-chat.*", sampling="always", stop=True),
    ModelFamily(r"gpt-5\.\d+-chat.*", "medium"),
    ModelFamily(r"gpt-5-pro.*", "high"),
    ModelFamily(r"gpt-5\.\d+-pro.*", "low medium high xhigh"),
    ModelFamily(r"gpt-5\.1-codex-max.*", "low medium high xhigh"),
    ModelFamily(r"gpt-5(\.1)?-codex.*", "low medium high"),
    ModelFamily(r"gpt-5\.1(-.*)?", "none low medium high", sampling="without_reasoning", default_effort="none"),
    ModelFamily(
        r"gpt-5\.[234](-.*)?", "none low medium high xhigh", sampling="without_reasoning", default_effort="none"
    ),
    ModelFamily(r"gpt-5\.5(-.*)?", "none low medium high xhigh", sampling="without_reasoning"),
    ModelFamily(r"gpt-5\.6(-.*)?", "none low medium high xhigh max", sampling="without_reasoning"),
    ModelFamily(r"gpt-5(-.*)?", "minimal low medium high"),
    ModelFamily(r"(o1|o3-mini)(-\d.*)?", "low medium high", stop=True),
    ModelFamily(r"o[134](-.*)?", "low medium high"),
    ModelFamily(r"(gpt-3\.5|gpt-4-|gpt-4o-2024-05-13).*|gpt-4", sampling="always", stop=True, schema=False),
    ModelFamily(r"(gpt-4o|gpt-4\.\d|chatgpt-4o).*", sampling="always", stop=True),
)


def refusals_of_model(parameters: Parameters, model: str) -> dict[str, str]:
    """Return which of the given parameters a model of the vendor refuses, and why.

    Args:
        model: the vendor's name of it; a fine-tuned one (`ft:gpt-4o-mini:...`) is of its base's family.
    """
    base = model.split(":")[1] if model.startswith("ft:") else model
    family = next((family for family in _FAMILIES if re.fullmatch(family.name, base)), None)
    return dict(_refusals(parameters, model, family)) if family else {}


def _refusals(parameters: Parameters, model: str, family: ModelFamily) -> Iterator[tuple[str, str]]:
    effort = parameters.reasoning_effort
    levels = family.efforts.split()
    if effort is not None and not levels:
        yield "reasoning_effort", f"{model} is no reasoning model"
    elif effort is not None and effort not in levels:
        yield "reasoning_effort", f"{model} takes the levels {', '.join(levels)}, not {effort}"
    for name in ("temperature", "top_p"):
        if getattr(parameters, name) is not None and not _samples(family, effort):
            hint = " unless reasoning_effort is none" if family.sampling == "without_reasoning" else ""
            yield name, f"the reasoning model {model} takes none{hint}"
    if parameters.stop and not family.stop:
        yield "stop", f"the reasoning model {model} takes none"
    if parameters.output_schema is not None and not family.schema:
        yield "output_schema", f"{model} is older than structured outputs"


def _samples(family: ModelFamily, effort: str | None) -> bool:
    if family.sampling == "without_reasoning":
        return (effort or family.default_effort) == "none"
    return family.sampling == "always"
