"""What requests are answered from: storage, Dagster, warm resources and bounded caches."""
