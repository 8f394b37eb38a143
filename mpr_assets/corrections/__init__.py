"""Corrections at work: read from a user's file, held against what a timeline has, applied to detections."""
