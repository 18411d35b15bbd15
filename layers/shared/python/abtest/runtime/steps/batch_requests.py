"""What a batch asks: its samples rendered into the prompts of its variant.

Depends on: management, providers. Used by: the step CallProvider.
"""

from __future__ import annotations

from abtest.contracts import object_keys
from abtest.contracts.definition import TestDefinition
from abtest.contracts.records import Recording, Sample
from abtest.contracts.steps import GenerateItem
from abtest.management import templates
from abtest.management.model import RunFrozen
from abtest.management.ports import ObjectStore
from abtest.providers.model import ChatMessage, ModelRequest
from abtest.providers.registration import ModelProvider


def requests_of(
    definition: TestDefinition, item: GenerateItem, provider: ModelProvider, samples: list[Sample]
) -> list[ModelRequest]:
    """Return what each sample of a batch asks of its variant's model."""
    variant = definition.variants[item.variant]
    return [
        ModelRequest(
            provider=provider.id,
            vendor=provider.vendor,
            model=variant.model,
            messages=_messages(definition, item.variant, sample),
            parameters=variant.parameters,
            sample_id=sample.id,
            variant=item.variant,
        )
        for sample in samples
    ]


def _messages(definition: TestDefinition, variant: str, sample: Sample) -> tuple[ChatMessage, ...]:
    """Return system, the prompt's own earlier turns, the sample's conversation as it is, and the prompt's user turn."""
    prompt = definition.variants[variant].prompt
    if prompt is None:
        return ()
    values = templates.template_values(sample)
    turns = [("system", prompt.system)] if prompt.system is not None else []
    turns += [(message.role, message.content) for message in prompt.messages]
    said = [ChatMessage(role=turn.role, content=turn.content) for turn in sample.messages]
    asked = [
        ChatMessage.model_validate({"role": role, "content": templates.render(source, values)})
        for role, source in [*turns, ("user", prompt.user)]
    ]
    return (*asked[:-1], *said, asked[-1])


def recordings_of(item: GenerateItem, frozen: RunFrozen, objects: ObjectStore) -> dict[str, Recording]:
    """Return the recorded answers of a batch's variant by sample, or none if it asks a model."""
    recording = frozen.definition.variants[item.variant].recording
    if recording is None:
        return {}
    lines = objects.lines(object_keys.dataset_rows(item.workspace, recording.version))
    return {row.id: row for row in map(Recording.model_validate_json, lines)}
