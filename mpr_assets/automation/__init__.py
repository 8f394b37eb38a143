"""Sensors and schedules, each a thin shell around a pure decision."""
