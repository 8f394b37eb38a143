"""Tests that take minutes (killed processes, stores of earlier versions, evaluations); `make test-long` runs them."""
