"""Finding and calling the user's function."""

from __future__ import annotations

import importlib
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from airflow_ml_provider.runtime.errors import ContractError, UserCodeError

TRACEBACK_LIMIT = 16_000
"""Characters of a traceback that travel in the result; its end says most."""

_OUR_CODE = str(Path(__file__).parent.parent)


def load_function(target: str) -> Callable[..., Any]:
    """Import ``module:function``.

    Raises:
        ContractError: The target has another form, or the module or function does not exist.
        UserCodeError: The module raised while it was imported.
    """
    module_name, separator, function_name = target.partition(":")
    if not separator or not module_name or not function_name.isidentifier():
        raise ContractError(f"run: {target!r} has not the form 'module:function'")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise ContractError(
                f"run: {target!r}: there is no module {error.name!r} ({error.msg}); ship its folder with 'code:' or "
                f"install it where the stage runs"
            ) from error
        raise user_code_error(error, during=f"importing {module_name}") from error
    except (Exception, SystemExit) as error:
        raise user_code_error(error, during=f"importing {module_name}") from error
    function = getattr(module, function_name, None)
    if not callable(function):
        found = sorted(name for name, value in vars(module).items() if callable(value) and name[0] != "_")
        raise ContractError(
            f"run: {target!r}: module {module_name!r} has no function {function_name!r}; "
            f"it has {', '.join(found) or 'none'}"
        )
    return function  # type: ignore[no-any-return]


def call(function: Callable[..., Any], arguments: dict[str, Any], *, name: str) -> Any:
    """Call the user's function.

    Raises:
        UserCodeError: It raised, or called ``sys.exit``.
    """
    try:
        return function(**arguments)
    except (Exception, SystemExit) as error:
        raise user_code_error(error, during=f"running {name}") from error


def user_code_error(error: BaseException, *, during: str) -> UserCodeError:
    """Describe a user's exception with the user's own frames only."""
    own = _user_frames(error.__traceback__)
    shown = "".join(traceback.format_exception(type(error), error, own))
    kind = type(error).__qualname__
    if isinstance(error, SystemExit):
        message = f"{during}: the code called sys.exit({error.code!r}) instead of returning"
    else:
        first = str(error).strip().splitlines()[:1]
        message = f"{during}: {kind}: {first[0] if first else 'no message'}"
    return UserCodeError(message, type=f"{type(error).__module__}.{kind}", traceback=shown[-TRACEBACK_LIMIT:])


def _user_frames(frames: TracebackType | None) -> TracebackType | None:
    while frames is not None:
        filename = frames.tb_frame.f_code.co_filename
        if not filename.startswith((_OUR_CODE, "<frozen importlib")) and "/importlib/" not in filename:
            return frames
        frames = frames.tb_next
    return None
