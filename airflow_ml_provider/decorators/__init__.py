"""TaskFlow: stages as decorated functions."""
