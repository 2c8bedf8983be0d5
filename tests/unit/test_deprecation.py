"""Old names of public arguments are taken for one version more, with a warning that says what to write."""

import pytest

from airflow_ml_provider.operators import SourceOperator
from airflow_ml_provider.sensors import NewDataSensor
from airflow_ml_provider.sources import Files


@pytest.mark.parametrize("owner", [SourceOperator, NewDataSensor])
def test_an_old_name_warns_and_has_its_effect(owner):
    says = f"{owner.__name__}: 'of' is called 'origin' now; the old name goes in 0.3"
    with pytest.warns(DeprecationWarning, match=says):
        task = owner(task_id="t", source="s", of="data/*.csv")

    assert task.origin == owner(task_id="t", source="s", origin=Files("data/*.csv")).origin


@pytest.mark.parametrize("given", [{}, {"of": "a", "origin": "b"}])
def test_one_name_is_needed_and_no_more(given):
    with pytest.raises(TypeError, match="'origin'"):
        SourceOperator(task_id="t", source="s", **given)
