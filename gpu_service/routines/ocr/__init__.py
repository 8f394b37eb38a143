"""Reading text: the routine, and a file for each engine."""
