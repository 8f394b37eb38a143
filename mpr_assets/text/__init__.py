"""Text in frames: followed, laid out, and searched for names. No tables of stages, no engines."""
