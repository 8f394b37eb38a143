"""What is computed, when and from what: the asset graph, its stages, its report and the command line."""
