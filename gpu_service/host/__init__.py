"""The service: its endpoints, queue, limits and metrics."""
