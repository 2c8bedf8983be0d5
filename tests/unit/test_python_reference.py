"""The page of the Python API says what the public modules offer."""

from importlib import import_module

import pytest

from tests.reference.python_page import MODULES, PAGE, page


def test_the_page_is_the_one_that_would_be_written():
    assert PAGE.read_text(encoding="utf-8") == page(), "write it anew: make generated"


@pytest.mark.parametrize("name", MODULES)
def test_everything_public_is_there_and_says_what_it_is(name):
    module = import_module(name)
    assert module.__all__
    for public in module.__all__:
        assert getattr(module, public).__doc__, f"{name}.{public} has no docstring"
