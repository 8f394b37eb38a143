"""Profiles: what a file of settings is, and the folder of them."""
