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
    if path.exists() and not path.is_file():
        raise SuiteError(f"suite {path} is no file")
    try:
        if path.stat().st_size > SUITE_LIMIT_BYTES:
            raise SuiteError(f"suite {path} has over {SUITE_LIMIT_BYTES:,} bytes")
        content = path.read_bytes()
    except (FileNotFoundError, ValueError):
        raise SuiteError(f"suite {path} does not exist") from None
    except OSError as error:
        raise SuiteError(f"suite {path} cannot be read: {error.strerror}") from error
    try:
        suite = json.loads(content)
    except json.JSONDecodeError as error:
        raise SuiteError(f"suite {path}:{error.lineno}:{error.colno} is no JSON: {error.msg}") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise SuiteError(f"suite {path} is no JSON: {error}") from error
    expectations = suite.get("expectations") if isinstance(suite, dict) else None
    if not isinstance(expectations, list) or not expectations or not isinstance(suite.get("name"), str):
        raise SuiteError(
            f"suite {path} is no Great Expectations suite: it needs a 'name' and a list of 'expectations' "
            f"(save one with json.dump(suite.to_json_dict(), file))"
        )
    for number, expectation in enumerate(expectations):
        if not isinstance(expectation, dict) or not isinstance(expectation.get("type"), str):
            raise SuiteError(f"suite {path}: expectations[{number}] has no 'type'")
    return content
