"""How right a report is: its exposures and detections against a truth that people wrote down. Pure but for `stored`."""
