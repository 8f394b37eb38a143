"""Which brands are looked for: brand files, reference pictures, folded names, the registry."""
