"""Pixels in, findings out: routines that analyse pictures, and the service that runs them for a team.

Nothing here depends on Dagster, timelines or storage. The package can be installed and run alone on a GPU host.
"""
