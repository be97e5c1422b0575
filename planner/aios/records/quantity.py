"""Types for fields that hold a quantity: written as ``10 ms``, kept as an SI float, described to editors.

Use them in the pydantic models of written forms: ``p99: Time | None = None``.
"""

from typing import Annotated, Any, NamedTuple, TypeAlias

from pydantic import Field, GetCoreSchemaHandler, GetJsonSchemaHandler, Strict
from pydantic_core import CoreSchema, core_schema

from aios.records.errors import BadValue
from aios.records.units import Dimension, called, examples, format_quantity, parse_quantity, pattern_of

__all__ = [
    "MOST_RATE",
    "Bandwidth",
    "Bytes",
    "CarbonIntensity",
    "CarbonRate",
    "Compute",
    "CostRate",
    "Energy",
    "Fraction",
    "Frequency",
    "Number",
    "Power",
    "Price",
    "Quantity",
    "Rate",
    "Time",
    "Whole",
]


class Quantity(NamedTuple):
    """Annotation of a float field: a quantity of one dimension, never negative.

    zero: whether nothing at all makes sense · most: largest value (SI) that makes sense
    """

    dimension: Dimension
    zero: bool = False
    most: float | None = None

    def read(self, value: Any) -> float:
        """Return ``value`` in SI; raises BadValue."""
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise BadValue(
                f"{called(self.dimension)} is wanted here, not {_kind(value)}",
                f"write a value such as `{examples(self.dimension)}`",
            )
        number = parse_quantity(value, self.dimension)
        if number < 0 or (number == 0 and not self.zero):
            wrong = "negative" if number < 0 else "zero"
            raise BadValue(
                f"`{value}` is {wrong}; {called(self.dimension)} here must be "
                f"{'zero or more' if self.zero else 'more than zero'}",
                f"write a value such as `{examples(self.dimension)}`",
            )
        if self.most is not None and number > self.most:
            raise BadValue(f"`{value}` is more than {format_quantity(self.most, self.dimension)}")
        return number

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(float)
        )

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        written = {
            "type": "string",
            "pattern": pattern_of(self.dimension),
            "description": f"{called(self.dimension).capitalize()} with its unit: `{examples(self.dimension)}`.",
            "examples": [examples(self.dimension)],
        }
        if self.dimension is Dimension.COUNT:
            return {"type": "number", "minimum" if self.zero else "exclusiveMinimum": 0}
        if self.dimension is Dimension.FRACTION:
            bare = {"type": "number", "minimum" if self.zero else "exclusiveMinimum": 0, "maximum": 1}
            return {"anyOf": [written, bare]}
        return written


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return "nothing" if value is None else "a mapping" if isinstance(value, dict) else "a list"


Time: TypeAlias = Annotated[float, Quantity(Dimension.TIME)]
MOST_RATE = 1e12
"""Requests per second that nobody has, by far."""
Rate: TypeAlias = Annotated[float, Quantity(Dimension.RATE, most=MOST_RATE)]
Fraction: TypeAlias = Annotated[float, Quantity(Dimension.FRACTION, zero=True, most=1.0)]
Power: TypeAlias = Annotated[float, Quantity(Dimension.POWER)]
Energy: TypeAlias = Annotated[float, Quantity(Dimension.ENERGY)]
Bytes: TypeAlias = Annotated[float, Quantity(Dimension.BYTES)]
Bandwidth: TypeAlias = Annotated[float, Quantity(Dimension.BANDWIDTH)]
Compute: TypeAlias = Annotated[float, Quantity(Dimension.COMPUTE)]
Frequency: TypeAlias = Annotated[float, Quantity(Dimension.FREQUENCY)]
CostRate: TypeAlias = Annotated[float, Quantity(Dimension.COST_RATE, zero=True)]
CarbonRate: TypeAlias = Annotated[float, Quantity(Dimension.CARBON_RATE, zero=True)]
CarbonIntensity: TypeAlias = Annotated[float, Quantity(Dimension.CARBON_INTENSITY, zero=True)]
Price: TypeAlias = Annotated[float, Quantity(Dimension.PRICE)]
Number: TypeAlias = Annotated[float, Quantity(Dimension.COUNT, zero=True)]
"""A bare number, zero or more."""
Whole: TypeAlias = Annotated[int, Strict(), Field(ge=-(10**9), le=10**9)]
"""A whole number; unlike a plain ``int`` field it takes neither text nor true and false. Sums of a billion of them are
exact in 64 bits."""
