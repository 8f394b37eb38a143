"""Video files: where they lie, what they are, and their frames."""
