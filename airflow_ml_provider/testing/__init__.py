"""Real servers and contract tests, for this project's tests and for yours."""
