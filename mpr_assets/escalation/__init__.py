"""Candidates that OCR left unresolved: which are sent to a model, with which pictures, and how answers are judged."""
