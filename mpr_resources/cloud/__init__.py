"""Requests to cloud models: providers, prompts, stored answers, budgets and the ledger."""
