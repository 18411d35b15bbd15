"""What a provider's wire format can carry, checked before anything is spent: nothing a test asks for is dropped.

Depends on: `abtest.providers.registry`. Used by: the API when a provider is registered and when a test is created.
"""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError

from abtest.contracts.definition import Parameters, issues_of
from abtest.core.errors import InputIssue, InvalidInputError
from abtest.core.registry import unknown_name
from abtest.providers import registry
from abtest.providers.ports import HttpCodec
from abtest.providers.registration import REPLAY_PROVIDER, ModelProvider


def unsupported(provider: ModelProvider, model: str, parameters: Parameters) -> dict[str, str]:
    """Return which given parameters cannot be sent to a model, and why, in a few words.

    Args:
        provider: its vendor says what the format carries, its registration what the model refuses.
        model: the provider's name of the model.
        parameters: those at None are left to the provider and never refused.
    """
    codec = registry.codec_of(provider.vendor)
    if not isinstance(codec, HttpCodec):
        # Recorded answers were made elsewhere; what they were asked for is a note.
        return {}
    refused = dict(codec.refusals(parameters, provider, model))
    for name in parameters.given():
        if name not in codec.capabilities.parameters:
            refused[name] = f"the wire format {provider.vendor} has no such parameter"
        elif name in provider.refused_by(model):
            refused[name] = f"the registration of {provider.id} says that {model} refuses it"
    return refused


def check_registration(provider: ModelProvider) -> None:
    """Return when a registration can work.

    Raises:
        InvalidInputError: it cannot; with every issue. Whether the address may be called is checked elsewhere.
    """
    issues = list(_issues(provider))
    if issues:
        raise InvalidInputError("The provider cannot be registered.", issues)


def _issues(provider: ModelProvider) -> Iterator[InputIssue]:
    if provider.id == REPLAY_PROVIDER.id:
        yield InputIssue("id", "the name is taken: it serves recorded answers", provider.id, "another name")
    names = registry.vendor_names()
    if provider.vendor not in names:
        yield InputIssue("vendor", unknown_name(provider.vendor, names), provider.vendor, ", ".join(names))
        return
    codec = registry.codec_of(provider.vendor)
    if codec.capabilities.needs_base_url and provider.base_url is None:
        yield InputIssue("base_url", "this vendor has no address of its own", None, "the address of your server")
    yield from _option_issues(provider)
    for model, parameters in provider.unsupported_parameters.items():
        for parameter in parameters:
            if parameter not in Parameters.model_fields:
                allowed = ", ".join(Parameters.model_fields)
                yield InputIssue(f"unsupported_parameters.{model}", "no such parameter", parameter, allowed)


def _option_issues(provider: ModelProvider) -> Iterator[InputIssue]:
    options = registry.codec_of(provider.vendor).options
    try:
        options.model_validate(provider.options)
    except ValidationError as error:
        known = ", ".join(options.model_fields) or "this vendor has no options"
        for issue in issues_of(error):
            allowed = known if issue.allowed is None or "misspelt" in issue.allowed else issue.allowed
            yield InputIssue(f"options.{issue.path}", issue.message, issue.found, allowed)
