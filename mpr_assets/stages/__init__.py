"""One file a stage: its settings, its pure function and, at the bottom, the thin stage."""
