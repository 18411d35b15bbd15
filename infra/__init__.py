"""The infrastructure: three stacks per environment, written with the CDK.

`app.py` is the door; `config.py` holds the environments, `functions.py` one row for each function, `nag.py` every
acknowledged finding with its reason.

Depends on: aws-cdk-lib, `abtest.runtime.settings`. Used by: `app.py`, tests/infra.
"""
