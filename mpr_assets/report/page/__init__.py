"""The pages: the report, and the comparison of two results. One file each that needs nothing else."""
