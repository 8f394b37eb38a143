"""The paths of the API, one file for each group of resources. Handlers are thin: what they answer is made elsewhere."""
