"""Logos over frames: which frames are searched, and how what was found is followed between them."""
