"""`abtest providers`, `abtest judges`: what a test may use.

Depends on: typer; `abtest_cli.connection`. Used by: `abtest_cli.main`.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from abtest_cli.commands.run import LOCAL, Environment

providers = typer.Typer(help="The model providers that tests may name.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(providers, name="providers")
    app.command("judges")(judges)


@providers.command("list")
def list_providers(env: Environment = LOCAL) -> None:
    """List the registered providers."""
    from rich.markup import escape
    from rich.table import Table

    from abtest_cli.connection import connect
    from abtest_cli.output import console

    with connect(env) as client:
        items = client.providers()
    table = Table()
    for name in ("provider", "vendor", "address", "calls at once", "prices of"):
        table.add_column(name, overflow="fold")
    for item in items:
        priced = ", ".join(sorted(item.get("prices") or {})) or "–"
        values = (item["id"], item["vendor"], item.get("base_url") or "–", str(item.get("max_in_flight", "–")), priced)
        table.add_row(*map(escape, values))
    console().print(table)


@providers.command("add")
def add_provider(
    provider_id: Annotated[str, typer.Argument(help="The name tests will use.", show_default=False)],
    *,
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="Base of its API, with /v1.", show_default=False)
    ] = None,
    vendor: Annotated[str, typer.Option("--vendor", help="Which wire format it speaks.")] = "openai_chat",
    secret_name: Annotated[
        str | None, typer.Option("--secret-name", help="Secrets Manager name of its key.", show_default=False)
    ] = None,
    max_in_flight: Annotated[int, typer.Option("--max-in-flight", min=1, help="Most calls at once.")] = 50,
    timeout_s: Annotated[float, typer.Option("--timeout-s", min=0.1, help="Seconds a call may take.")] = 120.0,
    price: Annotated[
        list[str] | None,
        typer.Option(
            "--price", help="MODEL=INPUT,OUTPUT in USD per million tokens; may be repeated.", show_default=False
        ),
    ] = None,
    env: Environment = LOCAL,
) -> None:
    """Register a provider, or change its registration (administrators only)."""
    from abtest_cli.connection import connect
    from abtest_cli.output import console

    body = {
        "vendor": vendor,
        "base_url": base_url,
        "secret_name": secret_name,
        "max_in_flight": max_in_flight,
        "timeout_s": timeout_s,
        "prices": prices_of(price or []),
    }
    with connect(env) as client:
        client.put_provider(provider_id, body)
    console().print(f"Provider {provider_id} is registered in {env}.", markup=False)


def prices_of(texts: list[str]) -> dict[str, Any]:
    """Return prices by model.

    Args:
        texts: `MODEL=INPUT,OUTPUT`, USD per million tokens.

    Raises:
        UsageError: with every text that is not of that form.
    """
    from decimal import Decimal, InvalidOperation

    from abtest.core.errors import InputIssue
    from abtest_cli.errors import UsageError

    prices: dict[str, Any] = {}
    issues = []
    for text in texts:
        model, _, amounts = text.rpartition("=")
        try:
            given, taken = (Decimal(amount.strip()) for amount in amounts.split(","))
            if not model or not given.is_finite() or not taken.is_finite() or min(given, taken) < 0:
                raise InvalidOperation
        except (InvalidOperation, ValueError):
            issues.append(InputIssue("--price", "not a price", text, "MODEL=INPUT,OUTPUT such as gpt-x=0.15,0.60"))
            continue
        prices[model] = {"input_usd_per_million": str(given), "output_usd_per_million": str(taken)}
    if issues:
        raise UsageError("The prices cannot be used.", issues)
    return prices


def judges(env: Environment = LOCAL) -> None:
    """List the judge types and their options."""
    from rich.markup import escape
    from rich.table import Table

    from abtest_cli.connection import connect
    from abtest_cli.output import console

    with connect(env) as client:
        items = client.judges()
    table = Table()
    for name in ("judge", "what it says", "options"):
        table.add_column(name, overflow="fold")
    for item in items:
        schema = item.get("parameters") or {}
        required = set(schema.get("required") or ())
        options = ", ".join(f"{o} (needed)" if o in required else o for o in schema.get("properties") or {}) or "–"
        table.add_row(escape(str(item["type"])), escape(str(item["summary"])), escape(options))
    console().print(table)
