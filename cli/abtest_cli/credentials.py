"""Who is signed in where: one entry an environment, in a file that only its owner can read.

Depends on: nothing beyond the standard library. Used by: `sign_in`, `connection`, `commands.login`.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from abtest_cli.errors import SignInError

EXPIRY_MARGIN_S = 60
"""A token is renewed this early, so that none expires on its way."""


@dataclass(frozen=True)
class Credentials:
    """A sign-in to one environment.

    Args:
        environment: the name a person gave it: `local`, `prod`.
        api_url: base of its API, without `/v1`.
        idp_url: where its users sign in.
        client_id: its app client.
        username: who.
        access_token: bearer token of the API.
        refresh_token: for a new one.
        expires_at: when the access token ends, seconds since 1970 UTC.
    """

    environment: str
    api_url: str
    idp_url: str
    client_id: str
    username: str
    access_token: str
    refresh_token: str
    expires_at: float

    def is_fresh(self, now: float) -> bool:
        """Return whether the access token is still good at a moment (seconds since 1970 UTC)."""
        return now < self.expires_at - EXPIRY_MARGIN_S

    def renewed(self, *, access_token: str, refresh_token: str | None, expires_at: float) -> Credentials:
        """Return the same sign-in with new tokens; a pool that does not rotate keeps the old refresh token."""
        return replace(
            self,
            access_token=access_token,
            refresh_token=refresh_token or self.refresh_token,
            expires_at=expires_at,
        )


def default_path() -> Path:
    """Return the file: in `ABTEST_CONFIG_HOME`, or in `~/.config/abtest`."""
    home = os.environ.get("ABTEST_CONFIG_HOME")
    return (Path(home).expanduser() if home else Path.home() / ".config" / "abtest") / "credentials.json"


@dataclass(frozen=True)
class CredentialStore:
    """The file of sign-ins.

    Args:
        path: where it is; made with mode 0600 when something is kept.
    """

    path: Path

    def load(self, environment: str) -> Credentials | None:
        """Return the sign-in to an environment, or None when there is none.

        Raises:
            SignInError: the file cannot be read.
        """
        entry = self._read().get(environment)
        try:
            return None if entry is None else Credentials(**entry)  # type: ignore[arg-type]
        except TypeError as error:
            raise self._unreadable() from error

    def environments(self) -> tuple[str, ...]:
        """Return the names of the environments somebody is signed in to, sorted."""
        return tuple(sorted(self._read()))

    def save(self, credentials: Credentials) -> None:
        """Keep a sign-in; readers see the old file or the new one."""
        entries = self._read()
        entries[credentials.environment] = asdict(credentials)
        self._write(entries)

    def remove(self, environment: str) -> bool:
        """Forget a sign-in and return whether there was one."""
        entries = self._read()
        if environment not in entries:
            return False
        del entries[environment]
        self._write(entries)
        return True

    def _read(self) -> dict[str, dict[str, object]]:
        try:
            entries = json.loads(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise self._unreadable() from error
        if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
            raise self._unreadable()
        return entries

    def _unreadable(self) -> SignInError:
        return SignInError(
            f"The file of sign-ins {self.path} cannot be read. Delete it and sign in again: `abtest login`."
        )

    def _write(self, entries: dict[str, dict[str, object]]) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # mkstemp makes the file with mode 0600, so the tokens are never readable by others, not even for a moment.
        descriptor, name = tempfile.mkstemp(dir=self.path.parent, prefix=".credentials-")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(entries, file, indent=1)
            Path(name).replace(self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                Path(name).unlink()
            raise
