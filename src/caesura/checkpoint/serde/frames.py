"""pandas: frames, series, indexes, times, as plain data and numpy arrays; nothing is pickled.

A payload starts with its kind, which picks one function of `_BUILDERS` here and nothing else. What an
array of pandas holds beyond numpy is taken apart: a categorical is its codes and categories, times with
a zone are numbers, a unit and the zone, nullable ones are plain values and None. Not stored are Arrow
arrays, intervals, periods, sparse arrays and subclasses: they are refused.

pandas trusts what it is given, and can be made to crash by what is not of the shape that it expects. So
everything is checked before it is handed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import tzinfo
from typing import Any, Final

from caesura.checkpoint.serde.building import endless, hashable
from caesura.errors import DeserializationError

EXT_PANDAS: Final = 17
_LONGEST_RANGE: Final = 2**24
"""Rows of a range index: it takes no space, but may be spread out by those who use it."""
_NULLABLE: Final = re.compile(r"U?Int(8|16|32|64)|Float(32|64)|boolean|string|str")
Describe = Callable[[Any], tuple[int, list[Any]]]


# --- taking apart --------------------------------------------------------------------------------


def describer(cls: type) -> Describe | None:
    """What takes instances of a class of pandas apart; None if they cannot be stored."""
    import pandas as pd

    exact: dict[type, Describe] = {
        pd.DataFrame: _frame,
        pd.Series: _series,
        pd.Timestamp: _timestamp,
        pd.Timedelta: _timedelta,
        type(pd.NaT): lambda obj: (EXT_PANDAS, ["NaT"]),
        type(pd.NA): lambda obj: (EXT_PANDAS, ["NA"]),
        pd.RangeIndex: _range,
        pd.MultiIndex: _multi,
        pd.Categorical: _categorical,
        pd.arrays.DatetimeArray: _datetimes,
    }
    if cls in exact:
        return exact[cls]
    if issubclass(cls, pd.IntervalIndex):
        return None
    if issubclass(cls, pd.Index):
        return _index
    return _nullable if issubclass(cls, pd.api.extensions.ExtensionArray) else None


def _frame(obj: Any) -> tuple[int, list[Any]]:
    columns = [_plain(obj.iloc[:, i].array) for i in range(obj.shape[1])]
    return EXT_PANDAS, ["frame", obj.columns, obj.index, columns, obj.attrs]


def _series(obj: Any) -> tuple[int, list[Any]]:
    return EXT_PANDAS, ["series", _plain(obj.array), obj.index, obj.name, obj.attrs]


def _index(obj: Any) -> tuple[int, list[Any]]:
    return EXT_PANDAS, ["index", _plain(obj.array), obj.name, getattr(obj, "freqstr", None)]


def _range(obj: Any) -> tuple[int, list[Any]]:
    if len(obj) > _LONGEST_RANGE:
        raise TypeError
    return EXT_PANDAS, ["range", obj.start, obj.stop, obj.step, obj.name]


def _multi(obj: Any) -> tuple[int, list[Any]]:
    codes = [code.astype("int64") for code in map(_array, obj.codes)]
    return EXT_PANDAS, ["multi", list(obj.levels), codes, list(obj.names)]


def _array(values: Any) -> Any:
    import numpy as np

    return np.asarray(values)


def _categorical(obj: Any) -> tuple[int, list[Any]]:
    codes = obj.codes.astype("int64")
    return EXT_PANDAS, ["categorical", codes, obj.categories, bool(obj.ordered)]


def _datetimes(obj: Any) -> tuple[int, list[Any]]:
    naive = obj if obj.tz is None else obj.tz_convert("UTC").tz_localize(None)
    numbers = naive.to_numpy().view("int64")
    return EXT_PANDAS, ["datetimes", numbers, obj.unit, obj.tz]


def _nullable(obj: Any) -> tuple[int, list[Any]]:
    name = str(obj.dtype)
    if not _NULLABLE.fullmatch(name):
        raise TypeError
    return EXT_PANDAS, ["nullable", name, obj.to_numpy(dtype=object, na_value=None).tolist()]


def _timestamp(obj: Any) -> tuple[int, list[Any]]:
    return EXT_PANDAS, ["timestamp", int(obj.asm8.view("int64")), obj.unit, obj.tz]


def _timedelta(obj: Any) -> tuple[int, list[Any]]:
    return EXT_PANDAS, ["timedelta", int(obj.asm8.view("int64")), obj.unit]


def _plain(array: Any) -> Any:
    """The numpy array that stands for an array of pandas; itself, if there is none."""
    import numpy as np
    import pandas as pd

    wraps = type(array) is pd.arrays.NumpyExtensionArray or isinstance(array.dtype, np.dtype)
    return array.to_numpy() if wraps else array


# --- putting together ----------------------------------------------------------------------------


def build(body: Any) -> Any:
    """The object that a payload describes. Raises DeserializationError."""
    if not isinstance(body, list) or not body or body[0] not in _BUILDERS:
        raise DeserializationError("A stored pandas object has an unknown shape")
    try:
        import pandas as pd
    except ImportError:
        raise DeserializationError("Stored data holds a pandas object; install pandas") from None
    try:
        return _BUILDERS[body[0]](pd, *body[1:])
    except Exception as error:
        raise DeserializationError(f"A stored pandas {body[0]} is damaged: {error}") from None


def _expect(*conditions: bool) -> None:
    if not all(conditions):
        raise ValueError("its parts do not fit together")


def _vector(pd: Any, array: Any, length: int | None = None) -> Any:
    """``array``, which is a numpy array of one dimension or one of pandas."""
    import numpy as np

    is_numpy = type(array) is np.ndarray and array.ndim == 1
    _expect(is_numpy or isinstance(array, pd.api.extensions.ExtensionArray))
    _expect(length is None or len(array) == length)
    return array


def _numbers(array: Any) -> Any:
    """``array``, which is a numpy array of 64-bit integers of one dimension."""
    import numpy as np

    _expect(type(array) is np.ndarray)
    _expect(array.ndim == 1, array.dtype == np.dtype("int64"))
    return array


def _number(value: Any) -> int:
    _expect(type(value) is int and -(2**63) <= value < 2**63)
    return int(value)


def _build_frame(pd: Any, columns: Any, index: Any, arrays: Any, attrs: Any) -> Any:
    _expect(isinstance(columns, pd.Index), isinstance(index, pd.Index))
    _expect(isinstance(arrays, list), isinstance(attrs, dict))
    _expect(len(columns) == len(arrays))
    vectors = {i: _vector(pd, array, len(index)) for i, array in enumerate(arrays)}
    made = pd.DataFrame(vectors, index=index)
    made.columns = columns
    made.attrs = attrs
    return made


def _build_series(pd: Any, array: Any, index: Any, name: Any, attrs: Any) -> Any:
    _expect(isinstance(index, pd.Index), isinstance(attrs, dict))
    made = pd.Series(_vector(pd, array, len(index)), index=index, name=hashable(name))
    made.attrs = attrs
    return made


def _build_index(pd: Any, array: Any, name: Any, freq: Any) -> Any:
    array = _vector(pd, array)
    if array.dtype == object:
        array[:] = [hashable(value) for value in array]
        return pd.Index(array, dtype=object, name=hashable(name), tupleize_cols=False)
    made = pd.Index(array, name=hashable(name))
    if freq is not None and isinstance(made, (pd.DatetimeIndex, pd.TimedeltaIndex)):
        _expect(isinstance(freq, str) and len(freq) < 20)
        made.freq = freq
    return made


def _build_multi(pd: Any, levels: Any, codes: Any, names: Any) -> Any:
    _expect(all(isinstance(part, list) for part in (levels, codes, names)))
    _expect(0 < len(levels) == len(codes) == len(names))
    _expect(*(isinstance(level, pd.Index) and level.nlevels == 1 for level in levels))
    return pd.MultiIndex(
        levels=levels, codes=list(map(_numbers, codes)), names=list(map(hashable, names))
    )


def _build_range(pd: Any, start: Any, stop: Any, step: Any, name: Any) -> Any:
    made = pd.RangeIndex(_number(start), _number(stop), _number(step), name=hashable(name))
    _expect(len(made) <= _LONGEST_RANGE)
    return endless(made)


def _build_categorical(pd: Any, codes: Any, categories: Any, ordered: Any) -> Any:
    _expect(isinstance(categories, pd.Index), type(ordered) is bool)
    return pd.Categorical.from_codes(_numbers(codes), categories=categories, ordered=ordered)


def _build_datetimes(pd: Any, numbers: Any, unit: Any, zone: Any) -> Any:
    moments = pd.DatetimeIndex(_numbers(numbers).view(_moments(unit)))
    return (moments if zone is None else moments.tz_localize("UTC").tz_convert(_zone(zone))).array


def _build_nullable(pd: Any, name: Any, values: Any) -> Any:
    _expect(isinstance(name, str) and _NULLABLE.fullmatch(name) is not None)
    _expect(isinstance(values, list))
    _expect(all(value is None or type(value) in (bool, int, float, str) for value in values))
    return pd.array(values, dtype=name)


def _build_timestamp(pd: Any, number: Any, unit: Any, zone: Any) -> Any:
    import numpy as np

    made = pd.Timestamp(np.int64(_number(number)).view(_moments(unit)))
    return made if zone is None else made.tz_localize("UTC").tz_convert(_zone(zone))


def _build_timedelta(pd: Any, number: Any, unit: Any) -> Any:
    import numpy as np

    return pd.Timedelta(np.int64(_number(number)).view(_moments(unit).replace("M8", "m8")))


def _moments(unit: Any) -> str:
    _expect(unit in ("s", "ms", "us", "ns"))
    return f"M8[{unit}]"


def _zone(zone: Any) -> Any:
    _expect(isinstance(zone, tzinfo))
    return zone


_BUILDERS: Final[dict[str, Callable[..., Any]]] = {
    "frame": _build_frame,
    "series": _build_series,
    "index": _build_index,
    "range": _build_range,
    "multi": _build_multi,
    "categorical": _build_categorical,
    "datetimes": _build_datetimes,
    "nullable": _build_nullable,
    "timestamp": _build_timestamp,
    "timedelta": _build_timedelta,
    "NaT": lambda pd: pd.NaT,
    "NA": lambda pd: pd.NA,
}
