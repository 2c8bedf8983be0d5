"""The demo behind ``make demo`` and ``make ui``."""
