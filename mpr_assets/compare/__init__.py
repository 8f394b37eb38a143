"""What two results differ in: tables, snapshots, scenarios."""
