"""Commands about pipeline files: create, validate, run and inspect."""
