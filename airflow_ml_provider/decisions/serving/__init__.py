"""What serves, and what is to serve next."""
