"""Questions to cloud models: providers, what is asked, answers kept, what may be spent and what was."""
