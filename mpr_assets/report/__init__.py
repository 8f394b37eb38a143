"""From detections to what a user looks at: exposures, measures, exports and the page."""
