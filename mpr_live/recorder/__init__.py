"""A session as a folder of frames and sound, for programs that look at it while it grows."""
