"""What a stage is and how its table is computed. Independent of Dagster and of particular stages."""
