import enum
import re
from pathlib import Path
from typing import Literal

import pytest

from airflow_ml_provider.runtime.binding import bind
from airflow_ml_provider.runtime.errors import ContractError


class Loss(enum.Enum):
    SQUARED = "squared"


def train(
    data: Path,
    model: str,
    *,
    depth: int = 6,
    rate: float = 0.1,
    fast: bool = False,
    loss: Loss = Loss.SQUARED,
    mode: Literal["a", "b"] = "a",
    layers: list[int] | None = None,
    pair: tuple[int, str] = (1, "x"),
    extra: dict[str, float] | None = None,
    anything=None,
):
    """A function with every kind of argument."""


def bound(params=None, inputs=("data",), outputs=("model",), function=train):
    return bind(
        function,
        inputs={name: Path("/in") / name for name in inputs},
        outputs={name: Path("/out") / name for name in outputs},
        params=params or {},
        name="stages:train",
    )


def test_paths_and_params_arrive_by_name_and_annotation():
    assert bound({"depth": 4}) == {"data": Path("/in/data"), "model": "/out/model", "depth": 4}


@pytest.mark.parametrize(
    ("param", "given", "expected"),
    [
        ("depth", "7", 7),
        ("depth", 7.0, 7),
        ("rate", 1, 1.0),
        ("rate", "1e-3", 0.001),
        ("fast", "true", True),
        ("fast", False, False),
        ("loss", "squared", Loss.SQUARED),
        ("mode", "b", "b"),
        ("layers", ["1", 2], [1, 2]),
        ("layers", None, None),
        ("pair", [2, "y"], (2, "y")),
        ("extra", {"a": "1"}, {"a": 1.0}),
        ("anything", {"x": [1]}, {"x": [1]}),
    ],
)
def test_values_become_exactly_what_the_annotation_says(param, given, expected):
    value = bound({param: given})[param]
    assert value == expected
    assert type(value) is type(expected)


@pytest.mark.parametrize(
    ("param", "given", "wanted"),
    [
        ("depth", "7.5", "int"),
        ("depth", 7.5, "int"),
        ("depth", True, "int"),
        ("depth", None, "int"),
        ("rate", "fast", "float"),
        ("fast", 1, "bool"),
        ("fast", "yes", "bool"),
        ("loss", "cubic", "Loss"),
        ("mode", "c", "Literal"),
        ("layers", "12", "list"),
        ("layers", ["x"], "list"),
        ("pair", [1], "tuple"),
        ("extra", [1], "dict"),
    ],
)
def test_values_of_another_type_are_refused(param, given, wanted):
    with pytest.raises(ContractError, match=rf"param '{param}.*the function wants .*{wanted}"):
        bound({param: given})


def test_all_problems_are_in_one_message():
    with pytest.raises(ContractError) as caught:
        bound({"dept": 1, "rate": "x"}, inputs=(), outputs=("modell",))
    message = str(caught.value)
    # Python 3.13 calls the class pathlib._local.Path.
    assert re.match(r"stages:train\(data: pathlib\.(_local\.)?Path, model: str,", message)
    assert "output 'modell' is not an argument of the function, did you mean 'model'?" in message
    assert "param 'dept' is not an argument of the function, did you mean 'depth'?" in message
    assert "param 'rate' is 'x' (str)" in message
    assert "argument 'data' has no default and is not an input, output or param of the stage" in message


def test_a_catch_all_takes_what_has_no_argument_of_its_own():
    def open_ended(data, **rest):
        """Takes anything."""

    assert bound({"depth": 1}, function=open_ended)["depth"] == 1


def test_arguments_that_cannot_be_bound_are_named():
    def positional(data, /):
        """Positional only."""

    def wrong(data: int, model: Path):
        """An input as a number."""

    with pytest.raises(ContractError, match="'data' is positional-only"):
        bound(function=positional, outputs=())
    with pytest.raises(ContractError, match="input 'data' arrives as a pathlib.Path, the function wants int"):
        bound(function=wrong)
