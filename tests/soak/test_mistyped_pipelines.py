"""A hundred thousand mistyped pipelines, other ones each time."""

import json

from tests.fuzz.mutate import mutated
from tests.mistakes.mistake import CODE, SUITE
from tests.processes.test_fuzz import require_sound

SEEDS = 100


def test_each_is_accepted_or_an_error_with_a_place(seed, tmp_path):
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "stages.py").write_text(CODE)
    (tmp_path / "suite.json").write_text(json.dumps(SUITE))
    for number in range(SEEDS):
        for content in mutated(1000, seed=seed * SEEDS + number):
            require_sound(content, tmp_path)
