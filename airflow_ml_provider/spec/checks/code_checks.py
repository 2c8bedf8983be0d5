"""Does the user's code fit its stages? Read as a syntax tree: nothing of it is imported or run."""

from __future__ import annotations

import ast
import os
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from functools import lru_cache
from pathlib import Path

from airflow_ml_provider.protocol.names import CHECKPOINTS
from airflow_ml_provider.spec.checks.findings import Finding
from airflow_ml_provider.spec.checks.paths import is_file, is_folder
from airflow_ml_provider.spec.pipeline import PipelineSpec
from airflow_ml_provider.spec.problems import did_you_mean
from airflow_ml_provider.spec.stages import CodeStageSpec

SOURCE_LIMIT_BYTES = 2 * 1024 * 1024

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def check_code(spec: PipelineSpec, *, folder: Path) -> Iterator[Finding]:
    """Say which functions do not exist or do not take what their stage hands them.

    Only what lies in a shipped code folder can be known here; other modules live where the stage runs, and what a
    decorator or a star import makes of a function is known when it runs.

    Args:
        spec: The pipeline.
        folder: Where its relative paths start.
    """
    for name, stage in spec.stages.items():
        code = spec.code_folder(stage) if isinstance(stage, CodeStageSpec) else None
        if isinstance(stage, CodeStageSpec) and code and is_folder(folder / code):
            # Not resolved: a folder that is a link is imported by the link's name.
            root = Path(os.path.abspath(folder / code))  # noqa: PTH100
            yield from _links(name, root)
            if stage.run:
                yield from _stage(name, stage, root, stage.run, later=_handed_later(spec, stage))


def _handed_later(spec: PipelineSpec, stage: CodeStageSpec) -> set[str]:
    """Return the params that no mapping names: those of a search, its own or that of a stage before it."""
    before = (spec.stages.get(reference.stage) for reference in stage.params.references.values())
    return {name for each in (stage, *before) if each is not None for name in each.searched()}


def _stage(name: str, stage: CodeStageSpec, root: Path, run: str, *, later: set[str]) -> Iterator[Finding]:
    where = ("stages", name, "run")
    module, _, function_name = run.partition(":")
    parts = module.split(".")
    if parts[0] != root.name:
        if is_file(root / f"{parts[0]}.py") or is_folder(root / parts[0]):
            remedy = f"write {root.name}.{run}" if root.name.isidentifier() else "rename the folder, so that it can be"
            yield Finding(where, f"what is in the folder {root.name!r} is imported as {root.name}.{parts[0]}: {remedy}")
        elif parts[0] == root.name.replace("-", "_"):
            yield Finding(
                where, f"the folder is called {root.name!r}, which cannot be imported: rename it {parts[0]!r}"
            )
        return
    if root.name in sys.stdlib_module_names:
        yield Finding(where, f"the folder {root.name!r} is called like a module of Python's own: rename it")
        return
    path = root.joinpath(*parts[1:])
    files = (path.with_suffix(".py"), path / "__init__.py") if parts[1:] else (path / "__init__.py",)
    file = next((file for file in files if is_file(file)), None)
    if file is None:
        yield Finding(where, f"there is no file {files[0]}{did_you_mean(module, _modules(path.parent, parts[:-1]))}")
        return
    try:
        tree, names = _parsed(file, file.stat().st_mtime_ns)
    except SyntaxError as error:
        # The stage's image may have a newer Python than this one.
        place = f"{file}:{error.lineno or 1}:{error.offset or 1}"
        message = f"{place} is not Python {sys.version_info[0]}.{sys.version_info[1]}: {error.msg}"
        yield Finding(where, message, severity="warning")
        return
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        yield Finding(where, f"{file} cannot be read: {str(error) or type(error).__name__}")
        return
    if names is None:
        return
    if not names[function_name]:
        public = [found.name for found in tree.body if isinstance(found, _Function) and found.name[0] != "_"]
        yield Finding(
            where,
            f"{file} has no function {function_name!r}; it has {', '.join(public) or 'none'}"
            f"{did_you_mean(function_name, public)}",
        )
        return
    function = next((node for node in tree.body if isinstance(node, _Function) and node.name == function_name), None)
    # What is bound twice (train = partial(train, ...)) or decorated is known when it runs.
    if function is not None and names[function_name] == 1 and not function.decorator_list:
        yield from _arguments(name, stage, function, f"{run} ({file.name}:{function.lineno})", later=later)
        yield from _metrics(name, stage, function, run)


def _links(name: str, root: Path) -> Iterator[Finding]:
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if path.is_symlink() and not path.exists() and not hidden:
            message = f"{path} is a link to nothing: the code cannot be packed; remove it, or make what it points to"
            yield Finding(("stages", name), message)
            return


def _modules(folder: Path, package: list[str]) -> list[str]:
    try:
        return [".".join((*package, found.stem)) for found in sorted(folder.glob("*.py"))]
    except OSError:
        return []


@lru_cache(maxsize=256)
def _parsed(file: Path, changed: int) -> tuple[ast.Module, Counter[str] | None]:
    if file.stat().st_size > SOURCE_LIMIT_BYTES:
        raise ValueError(f"it has over {SOURCE_LIMIT_BYTES:,} bytes")
    tree = ast.parse(file.read_bytes(), filename=str(file))
    return tree, bound_names(tree)


def bound_names(tree: ast.Module) -> Counter[str] | None:
    """Return how often a module binds each name, anywhere in it; ``None`` when any name may be bound.

    A star import, ``globals()`` and a module's ``__getattr__`` bind names that cannot be read from the text.
    """
    found: Counter[str] = Counter()
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(names=names) | ast.Import(names=names):
                if any(alias.name == "*" for alias in names):
                    return None
                found.update((alias.asname or alias.name).partition(".")[0] for alias in names)
            case ast.Name(id=("globals" | "vars" | "setattr")):
                return None
            case ast.Name(id=name, ctx=ast.Store()):
                found[name] += 1
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name == "__getattr__" and node in tree.body:
                    return None
                found[name] += 1
            case ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)) | ast.MatchMapping(rest=str(name)):
                found[name] += 1
            case ast.ExceptHandler(name=str(name)):
                found[name] += 1
    return found


def _arguments(
    name: str, stage: CodeStageSpec, function: _Function, shown: str, *, later: set[str]
) -> Iterator[Finding]:
    signature = function.args
    positional = [*signature.posonlyargs, *signature.args]
    required = {argument.arg for argument in positional[: len(positional) - len(signature.defaults)]}
    required |= {
        argument.arg
        for argument, default in zip(signature.kwonlyargs, signature.kw_defaults, strict=True)
        if default is None
    }
    known = [argument.arg for argument in (*signature.args, *signature.kwonlyargs)]
    named: dict[str, Collection[str]] = {
        "inputs": stage.inputs,
        "outputs": stage.outputs,
        "params": stage.params,
        "search": stage.searched(),
    }
    for section, given in named.items():
        for key in given:
            # What a trial writes is thrown away: code that writes nothing may leave the usual output out.
            thrown_away = stage.throws_outputs_away and section == "outputs" and section not in stage.model_fields_set
            if key not in known and signature.kwarg is None and not thrown_away:
                path = ("stages", name, section, key) if section in stage.model_fields_set else ("stages", name, "run")
                message = f"{shown} has no argument {key!r}; it has {', '.join(known) or 'none'}"
                yield Finding(path, message + did_you_mean(key, known))
    handed = {*stage.inputs, *stage.outputs, *stage.params, *later, *([CHECKPOINTS] if stage.checkpoints else [])}
    missing = [argument for argument in known if argument in required and argument not in handed]
    if signature.posonlyargs:
        missing += [argument.arg for argument in signature.posonlyargs if argument.arg in required]
    if missing:
        yield Finding(
            ("stages", name, "run"),
            f"{shown} needs {', '.join(map(repr, missing))}: name {'it' if len(missing) == 1 else 'them'} among "
            f"inputs, outputs or params, or give {'it a default' if len(missing) == 1 else 'them defaults'}",
        )


def _metrics(name: str, stage: CodeStageSpec, function: _Function, run: str) -> Iterator[Finding]:
    wanted = list(stage.judged_metrics())
    returned = _returned_keys(function) if wanted else None
    if returned is None:
        return
    known = sorted(returned)
    for path, metric in wanted:
        if metric not in returned:
            yield Finding(
                ("stages", name, *path),
                f"{run} returns no metric {metric!r}; it returns {', '.join(known) or 'none'}"
                f"{did_you_mean(metric, known)}",
            )


def _returned_keys(function: _Function) -> set[str] | None:
    """Return the keys of the mappings that a function returns, ``None`` unless all are written out."""
    keys: set[str] = set()
    for node in _own_nodes(function):
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return None
        if not isinstance(node, ast.Return):
            continue
        match node.value:
            case ast.Dict(keys=found) if all(
                isinstance(key, ast.Constant) and isinstance(key.value, str) for key in found
            ):
                keys |= {key.value for key in found if isinstance(key, ast.Constant) and isinstance(key.value, str)}
            case ast.Call(func=ast.Name(id="dict"), args=[], keywords=named) if all(word.arg for word in named):
                keys |= {word.arg for word in named if word.arg}
            case None | ast.Constant(value=None):
                pass
            case _:
                return None
    return keys


def _own_nodes(function: _Function) -> Iterator[ast.AST]:
    """Walk a function's body without the functions and classes within it."""
    waiting: list[ast.AST] = list(function.body)
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Lambda):
            waiting.extend(ast.iter_child_nodes(node))
