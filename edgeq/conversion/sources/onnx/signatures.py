"""Whether the ops of a file have the inputs, outputs and attributes that ONNX gives them."""

from __future__ import annotations

from functools import cache
from typing import Any

from edgeq.conversion.sources.onnx.attributes import IDLE, READ
from edgeq.errors import EdgeqError
from edgeq.support.text import visible_line

_WORDS = {
    "approximate": ("none", "tanh"),
    "auto_pad": ("NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"),
    "direction": ("forward", "reverse", "bidirectional"),
}  # where the ops here tell only some words from all others


class Signatures:
    """What ONNX says of each op, in the version that a file is written in.

    Args:
        onnx: The package.
        opset: The version.
        source: The file, for errors.
    """

    def __init__(self, onnx: Any, opset: int, source: str) -> None:
        self._onnx = onnx
        self._opset = opset
        self._source = source
        self.schema = cache(self._schema)

    def _schema(self, op: str) -> tuple[Any, dict[str, Any]] | None:
        """The op's schema and the types of its attributes, older ones too; None if unknown."""
        defs = self._onnx.defs
        try:
            schema = defs.get_schema(op, self._opset)
        except defs.SchemaError:
            return None
        known: dict[str, Any] = {}
        # Converters leave attributes of older versions in place, and they are read here too.
        for each in (*_versions(defs, op), schema):
            known.update({name: a.type for name, a in each.attributes.items()})
        return schema, known

    def check(self, proto: Any, name: str) -> None:
        """Refuse a node that is not what its op should be.

        Args:
            proto: The NodeProto, of a standard op.
            name: What errors call it.

        Raises:
            EdgeqError: Too few or too many inputs or outputs, one left out that must be there, or
                an attribute that is missing, of another type, there twice, or not looked at.
        """
        found = self.schema(proto.op_type)
        if found is None:
            return  # refused where it would be built
        schema, known = found
        why = (
            _count("inputs", proto.input, schema.min_input, schema.max_input)
            or _count("outputs", proto.output, schema.min_output, schema.max_output)
            or self._left_out(proto, schema)
            or self._attributes(proto, schema, known)
        )
        if why:
            raise EdgeqError(
                f"op {schema.name} '{name}' {why}.",
                self._source,
                "export the model again; onnx.checker.check_model tells what else is wrong",
            )
        unread = [a.name for a in proto.attribute if not self._is_read(schema, a)]
        if unread:
            raise EdgeqError(
                f"op {schema.name} '{name}' has its attribute {visible_line(unread[0])[:80]} set, "
                "which edgeq does not look at.",
                self._source,
                "export without it; opset 13 or later has fewer of such",
            )

    def _left_out(self, proto: Any, schema: Any) -> str:
        """Which input must be there and is not, in words; "" for none."""
        optional = self._onnx.defs.OpSchema.FormalParameterOption.Optional
        for number, name in enumerate(proto.input):
            formal = schema.inputs[min(number, len(schema.inputs) - 1)]
            if not name and formal.option != optional:
                return f"leaves its input {formal.name} out"
        return ""

    def _attributes(self, proto: Any, schema: Any, known: dict[str, Any]) -> str:
        given: set[str] = set()
        for attribute in proto.attribute:
            name = attribute.name
            if name in given:
                return f"has its attribute {visible_line(name)} twice"
            given.add(name)
            if name in known and attribute.type != known[name].value:
                return f"has an attribute {name} that is no {known[name].name}"
            if name in known and name in _WORDS:
                word = attribute.s.decode("utf-8", "replace")
                if word not in _WORDS[name]:
                    return f"has the {name} '{visible_line(word)[:80]}'"
        missing = [n for n, a in schema.attributes.items() if a.required and n not in given]
        return f"has no attribute {missing[0]}" if missing else ""

    def _is_read(self, schema: Any, attribute: Any) -> bool:
        """Whether an attribute is looked at, changes nothing, or is as if it were not given."""
        name, read = attribute.name, READ.get(schema.name)
        idle = IDLE[""] | IDLE.get(schema.name, frozenset())
        if read is None or name in read or name in idle:
            return True
        formal = schema.attributes.get(name)
        usual = None if formal is None else formal.default_value
        value_of = self._onnx.helper.get_attribute_value
        return bool(usual and usual.type and value_of(usual) == value_of(attribute))


def _versions(defs: Any, op: str) -> list[Any]:
    """All versions of an op, oldest first."""
    found = [defs.get_schema(op)]
    while found[0].since_version > 1:
        try:
            found.insert(0, defs.get_schema(op, found[0].since_version - 1))
        except defs.SchemaError:
            break
    return found


def _count(what: str, names: Any, least: int, most: int) -> str:
    if least <= len(names) <= most:
        return ""
    wanted = f"{least}" if least == most else f"{least} to {most}"
    wanted = f"{least} at least" if most > 1 << 20 else wanted
    return (
        f"has {len(names)} {what}; it takes {wanted}"
        if what == "inputs"
        else (f"has {len(names)} {what}; it gives {wanted}")
    )
