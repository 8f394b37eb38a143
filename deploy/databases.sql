-- Beside Dagster's own database, that of the brand registry, which holds budgets, claims and the ledger of the cloud too.
CREATE DATABASE mpr;
