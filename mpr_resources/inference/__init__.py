"""Where routines run: in this process or on inference hosts, and answers kept while a stage is at work."""
