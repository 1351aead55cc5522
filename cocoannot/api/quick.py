"""A schema's rules once more, for msgspec: a body that keeps them is known in a hundredth of the time.

It only ever says that a body is fine; what is wrong with one that may not be is marshmallow's to find.
"""

from __future__ import annotations

from typing import Annotated, Any

import marshmallow as ma
import msgspec
from marshmallow import fields, validate

Type = Any
"""What msgspec takes for a type."""


class QuickSchema(ma.Schema):
    """A schema whose `load` gives what it is given, and takes no time where the quick look says that this is fine.

    Fields of a kind that the look does not know are to be absent for it; where one of those is required, it is not
    taken.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._quick = None if self.many else struct_of(self)

    def load(self, data: Any, **options: Any) -> Any:
        if self._quick is not None and not any(options.values()):
            try:
                msgspec.convert(data, self._quick)
            except msgspec.ValidationError:
                pass
            else:
                return data
        return super().load(data, **options)


def struct_of(schema: ma.Schema) -> Type | None:
    """A type that a body has only if `schema` takes it as it is; `None` where there is no such type."""
    members: list[tuple[str, Type, Any]] = []
    for name, field in schema.load_fields.items():
        known = None if field.data_key or field.load_default is not ma.missing else _type_of(field)
        if known is None and field.required:
            return None
        kind = msgspec.UnsetType if known is None else known | None if field.allow_none else known
        members.append((name, kind, msgspec.NODEFAULT if field.required else None))
    return msgspec.defstruct(
        type(schema).__name__, members, forbid_unknown_fields=schema.unknown == ma.RAISE, kw_only=True, gc=False
    )


def _type_of(field: fields.Field[Any]) -> Type | None:
    validators = list(field.validators)
    if isinstance(field, fields.Nested):
        return struct_of(field.schema) if isinstance(field.schema, QuickSchema) and not field.many else None
    if type(field) is fields.Raw and field.allow_none and not validators:
        return Any
    if isinstance(field, fields.String) and not validators:
        return str if type(field)._deserialize is fields.String._deserialize else None
    if isinstance(field, fields.Integer) and field.strict:
        limits = [each for each in validators if type(each) is validate.Range]
        if len(limits) == len(validators) == 1 and limits[0].min_inclusive and limits[0].max_inclusive:
            return Annotated[int, msgspec.Meta(ge=limits[0].min, le=limits[0].max)]
    return None
