"""Sessions: live streams as they are stored, their windows, and the report over them."""
