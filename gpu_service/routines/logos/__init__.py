"""The logo matcher: references made ready, poses proposed, poses verified."""
