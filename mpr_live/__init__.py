"""Live streams taken in, cut into windows and analysed while they run. What is stored: `mpr_assets.sessions`."""
