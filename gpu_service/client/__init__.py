"""The caller's side: routines over HTTP, the hosts to ask, and the same interface in this process."""
