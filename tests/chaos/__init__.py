"""`make chaos`: what becomes of each command under each fault. No tests of pytest's."""
