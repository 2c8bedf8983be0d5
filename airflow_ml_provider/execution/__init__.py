"""One task instance of a stage, from its request to its result."""
