"""A small program as torch.export.save writes it, made here, since PyTorch may not be there."""

import io
import json
import zipfile

_META = {
    "dtype": 7, "sizes": [{"as_int": 4}, {"as_int": 3}], "requires_grad": True, "layout": 7,
    "device": {"type": "cpu", "index": None}, "strides": [{"as_int": 3}, {"as_int": 1}],
    "storage_offset": {"as_int": 0},
}  # fmt: skip
WEIGHTS = {
    "config": {
        "w": {"path_name": "weight_0", "is_param": True, "use_pickle": False, "tensor_meta": _META}
    }
}
_SPEC = json.dumps([1, {"type": "builtins.tuple", "context": "null", "children_spec": []}])
PROGRAM = {
    "graph_module": {
        "graph": {
            "inputs": [{"as_tensor": {"name": "p_w"}}, {"as_tensor": {"name": "x"}}],
            "outputs": [{"as_tensor": {"name": "y"}}],
            "nodes": [
                {
                    "target": "torch.ops.aten.linear.default",
                    "inputs": [{"name": "input", "arg": {"as_tensor": {"name": "x"}}, "kind": 1}],
                    "outputs": [{"as_tensor": {"name": "y"}}],
                    "metadata": {"nn_module_stack": "a,b,c", "stack_trace": "evil", "custom": "{}"},
                }
            ],
            "tensor_values": {"x": {**_META, "sizes": [{"as_expr": {"expr_str": "s0"}}]}},
        },
        "signature": {"input_specs": [], "output_specs": []},
        "module_call_graph": [{"fqn": "", "signature": {"in_spec": _SPEC, "out_spec": _SPEC}}],
    },
    "opset_version": {"aten": 10}, "range_constraints": {"s0": {"min_val": 1, "max_val": 9}},
    "guards_code": ["evil"], "schema_version": {"major": 8, "minor": 8}, "verifiers": ["x"],
    "torch_version": "2.13.0",
}  # fmt: skip


def archive(program=PROGRAM, weights=WEIGHTS, more=None):
    """The bytes of a .pt2 file; `more` are further members by name."""
    buffer = io.BytesIO()
    members = {
        "models/model.json": json.dumps(program).encode(),
        "data/weights/weight_0": b"\0" * 48,
        "data/constants/model_constants_config.json": b'{"config": {}}',
        "data/sample_inputs/model.pt": b"\x80\x04evil.",
        "archive_format": b"pt2", "archive_version": b"0", "byteorder": b"little",
    }  # fmt: skip
    if weights is not None:
        members["data/weights/model_weights_config.json"] = json.dumps(weights).encode()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name, content in {**members, **(more or {})}.items():
            opened.writestr(f"net/{name}", content)
    return buffer.getvalue()
