"""Pixels in, findings out: the routines that look at pictures, and the service that runs them for a team.

Nothing here knows of Dagster, of timelines or of storage. The package installs and runs alone on a GPU host.
"""
