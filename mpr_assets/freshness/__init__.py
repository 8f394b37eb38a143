"""Which stages are out of date, and why."""
