"""The report in files that other tools read, a module a format."""
