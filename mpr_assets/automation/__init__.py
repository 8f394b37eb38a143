"""What happens by itself: sensors and schedules, each a thin shell around a pure decision."""
