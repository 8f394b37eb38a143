"""Equal crops of successive frames in one group."""
