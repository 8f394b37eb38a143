-- Beside Dagster's own database, that of the brand registry.
CREATE DATABASE mpr;
