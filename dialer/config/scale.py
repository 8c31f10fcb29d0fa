"""`time_scale`: every duration of the campaigns divided by one factor, in one place.

For demonstrations and tests: patience, ring floor, delays and wrap-up shrink alike, so that the relations between them,
and with them the pacing, stay as they are. So does the legal window (`dialer.window`). SIP's own timers, trunks and the
store's commit interval belong to the outside world and keep their length. Durations are found by the schema's mark, so
none can be forgotten.
"""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel

from dialer.config.model import ConfigFile
from dialer.config.schema import schema_at

M = TypeVar("M", bound=BaseModel)


def scaled(file: ConfigFile) -> ConfigFile:
    """A copy of the config in which every duration below `campaigns` and `sharing` is divided by `time_scale`."""
    if file.time_scale == 1.0:
        return file
    return file.model_copy(
        update={
            "campaigns": {
                name: _table(table, file.time_scale, ("campaigns", name)) for name, table in file.campaigns.items()
            },
            "sharing": _table(file.sharing, file.time_scale, ("sharing",)),
        }
    )


def _table(table: M, factor: float, path: tuple[str, ...]) -> M:
    changed = {key: _value(getattr(table, key), factor, (*path, key)) for key in type(table).model_fields}
    # model_copy marks what it is given as set: keep what the file really set
    written = set(table.model_fields_set)
    copy = table.model_copy(update=changed)
    copy.__pydantic_fields_set__.clear()
    copy.__pydantic_fields_set__.update(written)
    return copy


def _value(value: Any, factor: float, path: tuple[str, ...]) -> Any:
    if isinstance(value, BaseModel):
        return _table(value, factor, path)
    if isinstance(value, dict):
        return {key: _value(below, factor, (*path, key)) for key, below in value.items()}
    if isinstance(value, int | float) and not isinstance(value, bool) and is_duration(path):
        return value / factor
    return value


def is_duration(path: tuple[str, ...]) -> bool:
    """Whether the key at `path` holds a duration."""
    node = schema_at(path)
    return node is not None and node.get("x-unit") == "seconds"
