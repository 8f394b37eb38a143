"""What a stage is and how its table comes about. Knows no Dagster and no particular stage."""
