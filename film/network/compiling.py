"""What of a network is compiled by XLA: its parts that are bound by memory, or all of it."""

from collections.abc import Callable
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import tensorflow as tf

__all__ = ["compiled", "fused"]

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

_whole: ContextVar[bool] = ContextVar("whole", default=False)


def fused(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """Compile a function of tensors, wherever a graph calls it, into few passes over memory.

    A warp has thirty small operations on large tensors; one after the other they take up to five times as long
    on a processor. Convolutions gain nothing by XLA, so it is such parts that are compiled, one by one.
    """

    @wraps(function)
    def call(*arguments: _Arguments.args, **options: _Arguments.kwargs) -> _Result:
        # Outside a graph each new shape would be compiled for a single use. And what is compiled as a whole
        # must not have such parts: TensorFlow would compile it anew at every call.
        if tf.executing_eagerly() or _whole.get():
            return function(*arguments, **options)
        part: Any = tf.function(function, jit_compile=True)
        result: _Result = part(*arguments, **options)
        return result

    return call


def compiled(function: Callable[..., Any], *, whole: bool) -> Any:
    """Make a graph of `function`, traced anew for the first two sizes, then once for all.

    Args:
        function: Of tensors.
        whole: Whether to compile all of it rather than its `fused` parts; every new size then costs some seconds.
    """

    @wraps(function)
    def traced(*arguments: Any) -> Any:
        before = _whole.set(whole)
        try:
            return function(*arguments)
        finally:
            _whole.reset(before)

    return tf.function(traced, jit_compile=whole, reduce_retracing=True)
