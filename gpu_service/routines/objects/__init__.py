"""Engines that find or name objects, a file each."""
