"""Calls to models: requests, answers, retries, prices, the ledger's keys and one file for each vendor."""
