"""What serves a model, and how another version takes over."""
