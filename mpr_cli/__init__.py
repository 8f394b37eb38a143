"""The command line `mpr`: it parses, calls and prints. What it calls is in the packages below."""
