"""What tasks that are over left behind."""
