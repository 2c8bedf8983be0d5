"""What a template of each field may read; every template field of every operator has a rule."""

import importlib
import pkgutil
import re
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG, BaseOperator, Param
from airflow.sdk.definitions.param import DagParam

from airflow_ml_provider import operators
from airflow_ml_provider.decisions.trust.param_schemas import ParamSchema
from airflow_ml_provider.decisions.trust.template_names import names_in
from airflow_ml_provider.decisions.trust.template_rules import (
    COMMAND_FIELDS,
    URI_FIELDS,
    VALUE_FIELDS,
    names_something,
    require_allowed,
)
from airflow_ml_provider.decorators.ml_stage import _decorated
from airflow_ml_provider.exceptions import StageConfigurationError
from airflow_ml_provider.operators import ContainerOperator, TrainOperator

PARAMS = {
    "open": ParamSchema("x"),
    "text": ParamSchema("x", {"type": "string"}),
    "closed": ParamSchema("x", {"enum": ["x", "y"]}),
    "count": ParamSchema(1, {"type": "integer"}),
}


@pytest.mark.parametrize(
    ("text", "params", "others"),
    [
        ("no template", (), ()),
        ("{{ ds }}/{{ run_id }}/{{ macros.ds_add(ds, 1) }}/{{ var.value.x }}/{{ conn.a.host }}", (), ()),
        ("{{ params.a }}{{ params['b'] }}", ("a", "b"), ()),
        ("{{ params }}", (), ("params",)),
        ("{{ params[ds] }}", (), ("params",)),
        ("{{ params.get('a') }}", (), ("params",)),
        ("{{ params.values() | list }}", (), ("params",)),
        ("{% set p = params %}{{ p.a }}", (), ("params",)),
        ("{% set d = logical_date %}{{ d.year }}", (), ()),
        ("{{ var.value.get('x', params.a) }}", ("a",), ()),
        ("{% for x in params.a %}{{ loop.index }}{% endfor %}", ("a",), ()),
        ("{{ dag_run.conf['x'] }}", (), ("dag_run.conf",)),
        ("{{ dag_run.conf }}{{ dag_run.run_id }}", (), ("dag_run.conf",)),
        ("{{ dag_run.partition_key }}{{ partition_key }}", (), ("dag_run.partition_key", "partition_key")),
        ("{{ dag_run }}", (), ("dag_run",)),
        ("{{ ti.xcom_pull('x') }}", (), ("ti",)),
        ("{{ ti.task_id }}{{ task.task_id }}{{ dag.dag_id }}", (), ()),
        ("{{ task.params.a }}", (), ("task.params",)),
        ("{{ dag.params.a }}", (), ("dag.params",)),
        ("{{ dag['params'].a }}", (), ("dag.params",)),
        ("{{ triggering_asset_events }}", (), ("triggering_asset_events",)),
        ("{% include 'x' %}", (), ("another template file",)),
        ("{{ (params | attr('a')) }}", (), ("params",)),
        ("{{ broken", (), ()),
    ],
)
def test_what_a_template_reads(text, params, others):
    found = names_in(text)
    assert (tuple(sorted(found.params)), tuple(sorted(found.others))) == (params, others)


def test_other_delimiters_are_templates_too():
    import jinja2

    environment = jinja2.Environment(variable_start_string="<<", variable_end_string=">>", autoescape=True)
    assert names_in("<< params.a >>", environment).params == {"a"}
    assert not names_in("{{ params.a }}", environment)


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("image", "r/{{ params.closed }}:{{ params.count }}-{{ ds }}", None),
        ("image", "{{ params.open }}", "reads params.open, which whoever triggers a run may give any value"),
        ("image", "{{ params.text }}", "an enum or a pattern from"),
        ("image", "{{ params.unknown }}", "reads params.unknown"),
        ("namespace", "{{ dag_run.conf.x }}", "reads dag_run.conf.*write a param of the pipeline in its place"),
        ("volumes", [{"hostPath": {"path": "{{ params.open }}"}}], "reads params.open"),
        ("labels", {"{{ params.open }}": "x"}, "reads params.open"),
        ("run", "{{ params.open }}", "reads params.open"),
        ("hyperparameters", {"x": "{{ params.open }}"}, None),
        ("uri", "{{ params.open }}", None),
        ("command", ["python", "x.py", "{{ params.open }}"], None),
        ("command", ["python", "x.py", "--day={{ params.open }}"], None),
        ("command", ["{{ params.open }}"], "the program is '{{ params.open }}'"),
        ("command", ["sh", "-c", "echo {{ params.closed }}"], None),
        ("command", ["sh", "-c", "echo {{ params.open }}"], "into the text of a script.*AIRFLOW_ML_PARAMS"),
        ("command", ["sh", "-ec", "echo {{ params.open }}"], "into the text of a script"),
        ("command", ["env", "bash", "-o", "pipefail", "-c", "echo {{ ti.xcom_pull('x') }}"], "into the text"),
        ("command", ["sh", "-c", "--", "{{ params.open }}"], "into the text of a script"),
        ("command", ["python", "-c", "print('{{ params.open }}')"], "into the text of a script"),
        ("command", ["perl", "-e", "{{ params.open }}"], "into the text of a script"),
        ("command", ["pwsh", "-Command", "{{ params.open }}"], "into the text of a script"),
        ("command", ["sh", "-c", 'echo "$1"', "--", "{{ params.open }}"], None),
        ("command", "sh -c {{ params.open }}", "reads params.open"),
    ],
)
def test_a_field_and_what_its_template_may_read(field, value, says):
    if says is None:
        require_allowed(field, value, params=PARAMS)
    else:
        with pytest.raises(ValueError, match=says):
            require_allowed(field, value, params=PARAMS)


def every_operator():
    for module in pkgutil.iter_modules(operators.__path__):
        name = f"{operators.__name__}.{module.name}"
        for found in vars(importlib.import_module(name)).values():
            if isinstance(found, type) and issubclass(found, BaseOperator) and found.__module__ == name:
                yield found
    yield _decorated("train")


def test_every_template_field_of_every_operator_refuses_an_open_param_or_is_known_to_bound_it():
    seen = set()
    for operator in every_operator():
        for field in operator.template_fields:
            seen.add(field)
            if names_something(field) or field in COMMAND_FIELDS:
                with pytest.raises(ValueError, match=r"params\.open"):
                    require_allowed(field, ["{{ params.open }}"], params=PARAMS)
    assert {"image", "namespace", "volumes", "env_vars", "endpoint", "model_name", "kubernetes_conn_id"} <= seen
    assert seen - {field for field in seen if names_something(field)} == {
        *("hyperparameters", "op_args", "op_kwargs", "partition"),
        *("code", "inputs", "suite", "uri"),
        *("arguments", "cmds", "command", "server"),
    }
    assert seen >= (VALUE_FIELDS | COMMAND_FIELDS | URI_FIELDS) - {"current", "example", "reference"}


def stage(*, params=None, operator=TrainOperator, **fields):
    with DAG("d", schedule=None, params=params or {}) as dag:
        task = operator(task_id="t", **{"run": "a:b", **fields})
    return dag, task


def test_a_dag_whose_image_anybody_may_choose_is_refused_when_it_is_parsed():
    dag, _ = stage(params={"image": "ml:1"}, image="{{ params.image }}")
    with pytest.raises(StageConfigurationError, match=r"stage 't': image: .* reads params.image"):
        dag.resolve_template_files()
    closed = Param("ml:1", type="string", pattern="^ml:[0-9]+$")
    dag, _ = stage(params={"image": closed}, image="{{ params.image }}")
    dag.resolve_template_files()


def test_a_dag_param_is_the_conf_of_a_run():
    with DAG("d", schedule=None, params={"image": "x"}) as dag:
        TrainOperator(task_id="t", run="a:b", image=DagParam(dag, "image"))
    with pytest.raises(StageConfigurationError, match=r"reads dag_run.conf"):
        dag.resolve_template_files()


def test_objects_of_kubernetes_are_looked_into():
    from kubernetes.client import V1HostPathVolumeSource, V1Volume

    volume = V1Volume(name="x", host_path=V1HostPathVolumeSource(path="{{ params.open }}"))
    dag, _ = stage(params={"open": "/"}, volumes=[volume])
    with pytest.raises(StageConfigurationError, match=r"volumes: .* reads params.open"):
        dag.resolve_template_files()


def rendered(task, params, conf=None):
    run = SimpleNamespace(conf=conf)
    task.render_template_fields({"params": params, "dag": task.dag, "task": task, "dag_run": run})
    return task


def test_a_control_character_that_a_pattern_lets_by_is_refused():
    closed = Param("ml:1", type="string", pattern="^ml:[0-9]+$")
    _, task = stage(params={"image": closed}, image="{{ params.image }}")
    closed.resolve("ml:1\n")
    with pytest.raises(StageConfigurationError, match="image is 'ml:1.n' once .* control character"):
        rendered(task, {"image": "ml:1\n"})


def test_a_mapped_stage_is_checked_in_its_task():
    with DAG("d", schedule=None, params={"image": "x"}):
        mapped = TrainOperator.partial(task_id="t", run="a:b").expand(image=["{{ params.image }}"])
    task = mapped.unmap({"image": "{{ params.image }}"})
    with pytest.raises(StageConfigurationError, match=r"reads params.image"):
        rendered(task, {"image": "x"})


def test_what_another_task_put_out_is_no_template():
    value = {"x": "{{ var.value.secret }}", "y": ["{{ 1 + 1 }}"]}
    _, task = stage()
    task.hyperparameters = value
    task._do_render_template_fields(
        parent=task,
        template_fields=task.template_fields,
        context={"params": {}, "dag": task.dag, "task": task},
        jinja_env=task.get_template_env(),
        seen_oids={id(value)},
    )
    assert task.hyperparameters == value


def test_a_command_gets_an_argument_of_its_own():
    dag, task = stage(params={"day": "x"}, operator=ContainerOperator, run=None, command=["a", "{{ params.day }}"])
    dag.resolve_template_files()
    assert rendered(task, {"day": "; rm -rf /"}).command == ["a", "; rm -rf /"]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("{{ conn.wh.password }}", "conn.wh.password"),
        ("{{ conn.wh['password'] }}", "conn.wh.password"),
        ("{{ conn['wh'].password }}", "conn.wh.password"),
        ("{{ conn.get('wh').password | urlencode }}", "conn.wh.password"),
        ("{{ conn.wh.get_uri() }}", "conn.wh.get_uri"),
        ("{{ conn.wh.get_password() }}", "conn.wh.get_password"),
        ("{{ conn.wh.extra }}", "conn.wh.extra"),
        ("{{ conn.wh.extra_dejson }}", "conn.wh.extra_dejson"),
        ("{{ conn.wh.extra_dejson.aws_secret_access_key }}", "conn.wh.extra_dejson.aws_secret_access_key"),
        ("{{ conn.wh.extra_dejson.get('token', '') }}", "conn.wh.extra_dejson.token"),
        ("{{ conn.wh.extra_dejson.private_key_content }}", "conn.wh.extra_dejson.private_key_content"),
        ("{{ conn.wh.extra_dejson.connection_string }}", "conn.wh.extra_dejson.connection_string"),
        ("{{ conn.wh.extra_dejson.values() | list }}", "conn.wh.extra_dejson()"),
        ("{{ conn.wh.extra_dejson.get(params.key) }}", "conn.wh.extra_dejson[]"),
        ("{{ conn.wh | attr('password') }}", "conn.wh.password"),
        ("{% set c = conn.wh %}{{ c.password }}", "c.password"),
        ("{% set c = conn.wh %}{{ c.get_uri() }}", "c.get_uri"),
        ("{{ (conn.wh or {}).password }}", "password of an expression"),
        ("{{ conn }}", "conn"),
        ("{{ conn[params.which].host }}", "conn[].host"),
        ("{% set v = var.json.db %}{{ v.password }}", "v.password"),
        ("{{ (var.json.db or {}).password }}", "password of an expression"),
        ("{{ var.json.db.values() | list }}", "var.json.db()"),
        ("{{ var.value.get(key='db_password') }}", "var.value.db_password"),
        ("{{ var.value.get('db_pass' ~ 'word') }}", "var.value[]"),
        ("{{ var['value']['db_' ~ 'password'] }}", "var.value[]"),
        ("{% set v = var.value %}{{ v.db_password }}", "var.value"),
        ("{{ var.value.api_key }}", "var.value.api_key"),
        ("{{ var.value.get('db_password') }}", "var.value.db_password"),
        ("{{ var.json.login.passphrase }}", "var.json.login.passphrase"),
    ],
)
@pytest.mark.parametrize("field", ["uri", "hyperparameters", "command", "image", "env_vars"])
def test_no_field_reads_a_secret(field, text, secret):
    value = {"a": [text]} if field == "hyperparameters" else ["x", text] if field == "command" else text
    with pytest.raises(ValueError, match=re.escape(f"reads {secret}: ")):
        require_allowed(field, value, params={})


@pytest.mark.parametrize(
    "text",
    [
        "{{ conn.wh.host }}:{{ conn.wh.port }}/{{ conn.wh.schema }}?user={{ conn.wh.login }}",
        "{{ conn.wh.extra_dejson.bucket }} {{ conn.wh.extra_dejson.get('region', 'eu').lower() }}",
        "{{ conn.get(conn_id='wh').host.split(':')[0] }}",
        "{{ conn.wh.host if conn.wh else 'none' }}",
        "{% for conn in params.conns %}{{ conn }}{% endfor %}",
        "{{ var.value.pad_token }} {{ params.token }}",
        "{{ var.value.bucket }} {{ var.value.tokenizer }} {{ var.json.limits.rows }}",
        "conn.wh.password",
        "the variance of {{ ds }}",
    ],
)
def test_what_a_connection_and_a_variable_say_openly_is_read(text):
    require_allowed("uri", text, params={})
    require_allowed("hyperparameters", text, params={})
