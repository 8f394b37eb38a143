"""How a figure came about, frame by frame, and where a brand that is not in the report was lost."""
