"""Which frames of a timeline are taken, and how they become pictures."""
