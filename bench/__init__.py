"""What is measured against what. Never part of the tests."""
