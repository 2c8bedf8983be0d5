"""``@task.ml_stage``: a plain function as a stage; its source travels to where the stage runs."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, get_args

from airflow.sdk.bases.decorator import DecoratedOperator, TaskDecorator, task_decorator_factory

from airflow_ml_provider.artifacts.code_packing import pack_files
from airflow_ml_provider.errors import StageConfigurationError
from airflow_ml_provider.kinds.stage import Stage
from airflow_ml_provider.operators.kinds import operator_of
from airflow_ml_provider.operators.stage import StageOperator
from airflow_ml_provider.reuse.stage_note import StageNote

if TYPE_CHECKING:
    from airflow.sdk import Context

FOLDER = "stage_code"
_OWN = {"code", "command", "hyperparameters", "inputs", "run"}

_HEADER = "from __future__ import annotations\n\nfrom pathlib import Path\nfrom typing import Any\n\n\n"


def ml_stage(
    python_callable: Callable[..., Any] | None = None, *, kind: str = "container", **kwargs: Any
) -> TaskDecorator:
    """Make a stage of a function; all arguments of the kind's operator pass through.

    Arguments annotated with :class:`pathlib.Path` are inputs, unless they are named in ``outputs``; the call passes
    outputs of other stages for them. All other arguments are hyperparameters. The function's source alone travels, so
    it imports what it needs in its body; ``Path`` and ``Any`` are there::

        @task.ml_stage(kind="train", image="ml/stage:1.4", outputs={"model": "model"})
        def train(train: Path, model: Path, *, depth: int = 6) -> dict[str, float]: ...

        fitted = train(features["train"], depth=4)
        evaluate(fitted["model"], features["test"])

    Args:
        python_callable: The function.
        kind: A kind of stage that runs code: ``ingest``, ``feature_engineering``, ``train``, ``evaluate``,
            ``container``, or one that another package brings.
        kwargs: Arguments of the operator (``TrainOperator``, ...).

    Raises:
        StageConfigurationError: There is no such kind, or the source of the function cannot be found.
    """
    return task_decorator_factory(
        python_callable=python_callable,
        multiple_outputs=False,
        decorated_operator_class=_decorated(kind),
        **kwargs,
    )


class DecoratedStage(DecoratedOperator):
    """What a decorated stage does next to its kind: bind the call's arguments, ship the source."""

    custom_operator_name: ClassVar[str] = "@task.ml_stage"
    stage_class: ClassVar[type[Stage]]

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        outputs: Mapping[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        taken = sorted(_OWN & kwargs.keys())
        if taken:
            raise StageConfigurationError(
                f"@task.ml_stage: {taken[0]} is what the function and its call say; for a folder of code use the "
                f"operator with run='module:function'"
            )
        names = self.stage_class.default_outputs if outputs is None else outputs
        # What a search tries, and what its trials write, the call does not name.
        tried = {*kwargs.get("search", ()), *(kwargs.get("trial_outputs") or self.stage_class.default_trial_outputs)}
        accepted = inspect.signature(python_callable).parameters
        self._not_given = {name for name in (*names, *tried) if name in accepted}
        self.source = source_of(python_callable)
        function = python_callable.__name__
        super().__init__(
            python_callable=python_callable,
            op_args=op_args,
            # Airflow binds the call at parse; outputs are paths that the stage gets when it runs.
            op_kwargs={**dict.fromkeys(self._not_given), **(op_kwargs or {})},
            outputs=names,
            run=f"{FOLDER}.{function}:{function}",
            **kwargs,
        )

    def execute(self, context: Context) -> None:
        """Run the stage; the call's arguments are rendered by now, of a mapped stage too."""
        self._bind()
        super().execute(context)

    def resume(self, context: Context, event: Any) -> None:
        """Go on after a deferral."""
        self._bind()
        super().resume(context, event)  # type: ignore[misc]

    def uris_of(self, field: str, value: Any) -> Any:
        """Return what of a field's value are URIs: arguments that the function takes as paths."""
        if field not in ("op_args", "op_kwargs") or not value:
            return super().uris_of(field, value)  # type: ignore[misc]
        parameters = inspect.signature(self.python_callable).parameters
        given = dict(zip(parameters, value, strict=False)) if field == "op_args" else value
        return {name: item for name, item in given.items() if _takes_path(parameters, name)}

    def stage_note(self) -> StageNote:
        """Return what a plan says of the stage where its DAG's files are not."""
        return StageNote(
            kind=self.stage_class.kind,
            runs=self.python_callable.__name__,
            outputs=dict(self.outputs),  # type: ignore[attr-defined]
            cached=bool(self.cache),  # type: ignore[attr-defined]
            unknown="what its function is called with is known only in a run",
        )

    def stage_settings(self, context: Context) -> dict[str, Any]:
        """Return the fields of the stage by name, with the packed source of the function."""
        name = self.python_callable.__name__
        source = pack_files({f"{FOLDER}/{name}.py": (self.source.encode(), False)})
        return {**super().stage_settings(context), "packed_code": source}  # type: ignore[misc]

    def _bind(self) -> None:
        signature = inspect.signature(self.python_callable)
        given = signature.bind_partial(*self.op_args, **self.op_kwargs).arguments
        inputs: dict[str, Any] = {}
        hyperparameters: dict[str, Any] = {}
        for parameter in signature.parameters.values():
            if parameter.name not in given or parameter.name in self._not_given:
                continue
            value = given[parameter.name]
            more = value if parameter.kind is parameter.VAR_KEYWORD else {parameter.name: value}
            for name, item in more.items():
                if _is_artifact(item) or (_is_path(parameter.annotation) and item is not None):
                    inputs[name] = item
                elif not (_is_path(parameter.annotation) or name in self._not_given):
                    hyperparameters[name] = item
        self.inputs, self.hyperparameters = inputs, hyperparameters


def source_of(function: Callable[..., Any]) -> str:
    """Return a module with the function alone, without its decorators.

    Raises:
        StageConfigurationError: The source cannot be found, or is no ``def``.
    """
    if hasattr(function, "__wrapped__"):
        raise StageConfigurationError(
            f"@task.ml_stage: {function.__name__!r} has another decorator below, which would not travel; call it in "
            f"the function's body instead"
        )
    try:
        source = textwrap.dedent(inspect.getsource(function))
        (node,) = ast.parse(source).body
    except (OSError, TypeError, SyntaxError, ValueError) as error:
        raise StageConfigurationError(
            f"@task.ml_stage: the source of {function!r} cannot be found ({error}); define it with def in the file "
            f"of the DAG"
        ) from error
    if not isinstance(node, ast.FunctionDef):
        raise StageConfigurationError(f"@task.ml_stage: {function!r} is not a function that is defined with def")
    lines = source.splitlines()[node.lineno - 1 :]
    return _HEADER + "\n".join(lines).rstrip() + "\n"


@cache
def _decorated(kind: str) -> type[StageOperator]:
    operator = operator_of(kind)
    fields: Sequence[str] = tuple(sorted({"op_args", "op_kwargs", *operator.template_fields}))
    renderers = {**operator.template_fields_renderers, **DecoratedOperator.template_fields_renderers}
    return type(
        f"Decorated{operator.__name__}",
        (DecoratedStage, operator),
        {"template_fields": fields, "template_fields_renderers": renderers, "__module__": __name__},
    )


def _takes_path(parameters: Mapping[str, inspect.Parameter], name: str) -> bool:
    others = (each for each in parameters.values() if each.kind is each.VAR_KEYWORD)
    found = parameters.get(name) or next(others, None)
    return found is not None and _is_path(found.annotation)


def _is_path(annotation: Any) -> bool:
    parts = str(annotation).split("|") if isinstance(annotation, str) else get_args(annotation) or (annotation,)
    return any(part is Path or str(part).strip() in ("Path", "pathlib.Path", "Optional[Path]") for part in parts)


def _is_artifact(value: Any) -> bool:
    return isinstance(value, Mapping) and {"uri", "digest"} <= value.keys()
