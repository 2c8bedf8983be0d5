"""Sources of new data: what is there, and which run has which of it."""
