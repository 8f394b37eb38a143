"""Runs as a user deals with them: in this process, one at a time, stopped, tried, looked back on."""
