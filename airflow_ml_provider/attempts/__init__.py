"""What is known of one attempt at a stage: whose it is, and what was begun."""
