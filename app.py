"""Entry of the CDK: `cdk deploy --all -c environment=dev`; for the templates alone `python app.py --environment dev`.

The environments are those of infra/config.py; `all` stands for every one.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent
# The settings classes of the functions are read for their fields; an installation of the package is not needed.
sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "shared" / "python")]

from infra.node import prepare_node  # noqa: E402

# Importing aws_cdk starts Node.js, so that its choice comes first.
prepare_node()

from infra.app import ENVIRONMENT_KEY, build, full_context  # noqa: E402
from infra.errors import ConfigurationError  # noqa: E402

OUTPUT = "cdk.out"


def main(arguments: Sequence[str] | None = None) -> int:
    """Synthesise; return the exit code.

    Args:
        arguments: of the command line; the CDK gives none and speaks through the environment.
    """
    parser = argparse.ArgumentParser(prog="app.py", description="Write the CloudFormation templates.")
    parser.add_argument("--environment", help="a name of infra/config.py, or all")
    parser.add_argument("--output", help=f"folder for the templates; {OUTPUT} unless the CDK names one")
    wish = parser.parse_args(arguments)
    overrides = {ENVIRONMENT_KEY: wish.environment} if wish.environment else {}
    try:
        app = build(outdir=wish.output or os.environ.get("CDK_OUTDIR", OUTPUT), context=full_context(overrides))
    except ConfigurationError as error:
        print(f"Cannot synthesise: {error}", file=sys.stderr)
        return 2
    app.synth()
    return 0


if __name__ == "__main__":
    sys.exit(main())
