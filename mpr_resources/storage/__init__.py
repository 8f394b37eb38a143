"""The object store, its layout, and what is kept in it: tables, pictures, scenarios, journals."""
