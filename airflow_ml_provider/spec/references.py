"""References: ``stage.output`` in the YAML."""

from __future__ import annotations

import re
from dataclasses import dataclass

REFERENCE_PATTERN = re.compile(r"([A-Za-z][A-Za-z0-9_]*)\.([A-Za-z][A-Za-z0-9_]*)")


@dataclass(frozen=True)
class Reference:
    """An output of another stage."""

    stage: str
    output: str

    @classmethod
    def parse(cls, text: object) -> Reference:
        """Read ``stage.output``.

        Raises:
            ValueError: The text has another form.
        """
        match = REFERENCE_PATTERN.fullmatch(text) if isinstance(text, str) else None
        if match is None:
            raise ValueError(f"{text!r} is not a reference: write stage.output, such as features.train")
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return f"{self.stage}.{self.output}"
