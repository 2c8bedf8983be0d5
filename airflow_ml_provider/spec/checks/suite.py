"""Is a file a Great Expectations suite, as far as one can tell without Great Expectations?"""

from __future__ import annotations

import json
from pathlib import Path

SUITE_LIMIT_BYTES = 16 * 1024 * 1024


class SuiteError(ValueError):
    """The file is missing, no JSON, or no suite. A retry does not help."""


def check_suite(path: Path) -> bytes:
    """Return the content of a suite file.

    Raises:
        SuiteError: It is missing, over 16 MiB, no JSON (with line and column), or has no name or expectations.
    """
    try:
        size = path.stat().st_size if path.is_file() or not path.exists() else -1
        content = path.read_bytes() if 0 <= size <= SUITE_LIMIT_BYTES else b""
    except (FileNotFoundError, ValueError):
        raise SuiteError(f"suite {path} does not exist") from None
    except OSError as error:
        raise SuiteError(f"suite {path} cannot be read: {error.strerror}") from error
    if size < 0:
        raise SuiteError(f"suite {path} is not a file")
    if size > SUITE_LIMIT_BYTES:
        raise SuiteError(f"suite {path} has over {SUITE_LIMIT_BYTES:,} bytes")
    try:
        suite = json.loads(content)
    except json.JSONDecodeError as error:
        raise SuiteError(f"suite {path}:{error.lineno}:{error.colno} is not JSON: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise SuiteError(f"suite {path} is not JSON: {error}") from error
    expectations = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(expectations, list) or not expectations or not isinstance(suite.get("name"), str):
        raise SuiteError(
            f"suite {path} is not a Great Expectations suite: it needs a 'name' and a list of 'expectations' "
            f"(save one with json.dump(suite.to_json_dict(), file))"
        )
    for number, expectation in enumerate(expectations):
        if not isinstance(expectation, dict) or not isinstance(expectation.get("type"), str):
            raise SuiteError(f"suite {path}: expectations[{number}] has no 'type'")
    return content
