"""Provider keys from Secrets Manager, by name, kept in memory for five minutes.

Depends on: Powertools parameters. Used by: wiring.
"""

from __future__ import annotations

from aws_lambda_powertools.utilities.parameters import SecretsProvider
from aws_lambda_powertools.utilities.parameters.exceptions import GetParameterError

from abtest.core.errors import ProviderConfigurationError

_MAX_AGE_S = 300


class ProviderSecrets:
    """Keys of providers.

    Args:
        prefix: every secret's name begins with it; others are refused, whatever the role allows.
    """

    def __init__(self, prefix: str, provider: SecretsProvider | None = None) -> None:
        self._prefix = prefix
        self._provider = provider or SecretsProvider()

    def key(self, secret_name: str, *, fresh: bool = False) -> str:
        """Return the key.

        Args:
            secret_name: as the registration names it.
            fresh: read it anew, whatever is remembered.

        Raises:
            ProviderConfigurationError: the name is outside the prefix, or no such secret can be read.
        """
        if not secret_name.startswith(self._prefix):
            raise ProviderConfigurationError(
                f"The secret {secret_name!r} is not one of the platform's; names begin with {self._prefix!r}."
            )
        try:
            value = self._provider.get(secret_name, max_age=_MAX_AGE_S, force_fetch=fresh)
        except GetParameterError as error:
            raise ProviderConfigurationError(
                f"The secret {secret_name!r} cannot be read. Create it in Secrets Manager with the key as its string."
            ) from error
        return value if isinstance(value, str) else bytes(value or b"").decode()
