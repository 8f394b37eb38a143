"""What becomes of packets: windows, as files and in the storage."""
