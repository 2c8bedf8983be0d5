"""Version and size limits of the protocol."""

PROTOCOL_VERSION = 1

REQUEST_LIMIT_BYTES = 96 * 1024
"""A request travels in one environment variable; Linux allows 128 KiB for one (execve(2), MAX_ARG_STRLEN)."""

RESULT_LIMIT_BYTES = 256 * 1024
"""A result is read whole into the Airflow worker and its parts become XComs."""
