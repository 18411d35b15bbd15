"""The product on one machine: an embedded AWS, a small real LLM and the very template that goes to AWS.

`abtest_cli.local.stack` is the door; everything else is behind it.
"""
