"""From detections to the report: exposures, statistics, exports and the page."""
