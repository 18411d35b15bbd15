"""`abtest judges`: how answers may be scored.

Depends on: typer; `abtest_cli.connection`. Used by: `abtest_cli.main`.
"""

from __future__ import annotations

import typer

from abtest_cli.commands.run import LOCAL, Environment


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("judges")(judges)


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
