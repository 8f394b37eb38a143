"""Endpoints for other systems: the webhook of object stores."""
