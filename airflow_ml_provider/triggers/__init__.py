"""Triggers: what waits in the triggerer while a stage runs elsewhere."""
