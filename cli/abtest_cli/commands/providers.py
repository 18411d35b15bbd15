"""`abtest providers`: the providers that tests may name, and whether they work.

Depends on: typer; `abtest_cli.connection`, `abtest_cli.provider_views`. Used by: `abtest_cli.main`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from abtest_cli.commands.run import LOCAL, Environment

providers = typer.Typer(help="The model providers that tests may name.", no_args_is_help=True)

Provider = Annotated[str, typer.Argument(help="The registered provider.", show_default=False)]
Model = Annotated[str, typer.Argument(help="The provider's name of the model.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(providers, name="providers")


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
    limit: Annotated[
        list[str] | None,
        typer.Option(
            "--limit", help="MODEL=REQUESTS,TOKENS a minute; * is any model; may be repeated.", show_default=False
        ),
    ] = None,
    unsupported: Annotated[
        list[str] | None,
        typer.Option(
            "--unsupported", help="MODEL=PARAMETER,... it refuses; * is any model; may be repeated.", show_default=False
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", help="NAME=VALUE of the vendor's own options; may be repeated.", show_default=False),
    ] = None,
    give_up_after_s: Annotated[
        float, typer.Option("--give-up-after-s", min=0, help="Seconds a batch waits while it is down.")
    ] = 3600.0,
    env: Environment = LOCAL,
) -> None:
    """Register a provider, or change its registration (administrators only)."""
    from abtest_cli import provider_options
    from abtest_cli.connection import connect
    from abtest_cli.output import console

    body = {
        "vendor": vendor,
        "base_url": base_url,
        "secret_name": secret_name,
        "max_in_flight": max_in_flight,
        "timeout_s": timeout_s,
        "prices": provider_options.prices_of(price or []),
        "limits": provider_options.limits_of(limit or []),
        "unsupported_parameters": provider_options.unsupported_of(unsupported or []),
        "options": provider_options.options_of(option or []),
        "give_up_after_s": give_up_after_s,
    }
    with connect(env) as client:
        client.put_provider(provider_id, body)
    console().print(
        f"Provider {provider_id} is registered in {env}. "
        f"See whether it works: abtest providers check {provider_id} MODEL{'' if env == 'local' else f' --env {env}'}",
        markup=False,
        soft_wrap=True,
    )


@providers.command("check")
def check(provider_id: Provider, model: Model, *, as_json: AsJson = False, env: Environment = LOCAL) -> None:
    """Call a model once, for at most one token, and say whether its provider works."""
    import json

    from abtest_cli.connection import connect
    from abtest_cli.errors import ProviderCheckError
    from abtest_cli.output import console
    from abtest_cli.provider_views import check_sentence

    with connect(env) as client:
        result = client.check_provider(provider_id, model)
    if as_json:
        typer.echo(json.dumps(result, indent=2, ensure_ascii=False))
        raise typer.Exit(0 if result["ok"] else 1)
    if not result["ok"]:
        raise ProviderCheckError(check_sentence(result))
    console().print(check_sentence(result), markup=False)


@providers.command("health")
def health(provider_id: Provider, model: Model, *, as_json: AsJson = False, env: Environment = LOCAL) -> None:
    """Show how a model did in the last minutes: rates, latencies, the last failure, the circuit."""
    import json

    from abtest_cli.connection import connect
    from abtest_cli.output import console
    from abtest_cli.provider_views import health_table

    with connect(env) as client:
        found = client.provider_health(provider_id, model)
    if as_json:
        typer.echo(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        console().print(health_table(found))
