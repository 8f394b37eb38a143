"""Who may ask, what may be named, and how the API says no."""
