"""How a stage becomes Dagster's: assets, checks, the launchpad."""
