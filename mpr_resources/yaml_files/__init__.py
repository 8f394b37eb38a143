"""YAML files: read into typed models with clear complaints, and edited with their comments kept."""
