"""`abtest login`: sign in to a deployed environment.

Depends on: typer; `abtest_cli.sign_in`, `credentials`. Used by: `abtest_cli.main`.
"""

from __future__ import annotations

import os
from typing import Annotated

import typer


class _Person:
    """Answers challenges at the terminal, without showing what is typed."""

    def new_password(self) -> str:
        """Ask twice for a password of their own."""
        typer.echo("The account has a temporary password; choose your own.", err=True)
        return str(typer.prompt("New password", hide_input=True, confirmation_prompt=True, err=True))

    def one_time_code(self) -> str:
        """Ask for the code of the authenticator app."""
        return str(typer.prompt("Code of your authenticator app", err=True)).strip()


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("login")(login)


def login(
    env: Annotated[str, typer.Option("--env", "-e", help="Name for the environment: dev, prod.", show_default=False)],
    url: Annotated[
        str | None, typer.Option("--url", help="Base of its API; needed the first time.", show_default=False)
    ] = None,
    username: Annotated[str | None, typer.Option("--username", "-u", help="Who signs in.", show_default=False)] = None,
) -> None:
    """Sign in to an environment; later commands name it with --env.

    The password is asked for, or taken from ABTEST_PASSWORD; it is not kept. Tokens are, in a file of yours only.
    """
    from abtest_cli.addresses import checked_url
    from abtest_cli.client import Anonymous, ApiClient
    from abtest_cli.connection import network, store
    from abtest_cli.credentials import Credentials
    from abtest_cli.output import console
    from abtest_cli.sign_in import UserPool, idp_url_of

    sign_ins = store()
    known = sign_ins.load(env)
    api_url = checked_url(_given(url, known.api_url if known else None, "--url", env), "--url")
    with ApiClient(api_url, Anonymous(), transport=network()) as client:
        health = client.health()
    facts = health.get("sign_in") or {}
    idp_url, client_id = idp_url_of(facts), str(facts.get("client_id") or "")
    who = username or (known.username if known else None) or str(typer.prompt("User name (e-mail)", err=True))
    password = os.environ.get("ABTEST_PASSWORD") or str(typer.prompt("Password", hide_input=True, err=True))
    tokens = UserPool(idp_url, client_id, transport=network()).sign_in(who, password, _Person())
    refresh_token = tokens.refresh_token or ""
    sign_ins.save(
        Credentials(env, api_url, idp_url, client_id, who, tokens.access_token, refresh_token, tokens.expires_at)
    )
    out = console()
    deployed = f" ({health['environment']}, version {health['version']})" if health.get("environment") else ""
    out.print(f"Signed in to {env}{deployed} as {who}.", markup=False)


def _given(value: str | None, known: str | None, option: str, env: str) -> str:
    from abtest.core.errors import InputIssue
    from abtest_cli.errors import UsageError

    if value or known:
        return str(value or known)
    issue = InputIssue(
        option, f"needed for the first sign-in to {env!r}", None, "the stack's output ApiUrl: https://..."
    )
    raise UsageError("The API's address is not known.", [issue])
