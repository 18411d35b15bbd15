"""Stores over the one DynamoDB table; `keys` alone spells partition and sort keys."""
