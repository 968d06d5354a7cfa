"""Graphs of several subgraphs: IF, WHILE, CALL_ONCE, variables, and outputs of every kind."""

from tests.oracle.build import OpSpec, SubgraphSpec, TensorSpec, build
from tests.oracle.check import random_case
from tests.oracle.generators.values import case_seed, chance, extent

KINDS = ("int8", "int32")
BOOL = TensorSpec((1,), "bool")
ONE = TensorSpec((1,), "int32")


def value(kind, content=None):
    """A tensor of one of KINDS; all of a kind can be added, and go into one variable."""
    if kind == "int8":
        return TensorSpec((4,), "int8", 0.5, 3, content)
    return TensorSpec((3,), "int32", data=content)


def content(rng, kind):
    shape = value(kind).shape
    return rng.integers(-100, 100, shape).astype(kind)


class Model:
    """Subgraphs under construction, which variables there are, and what branches take and give."""

    def __init__(self, rng):
        self.rng = rng
        self.subgraphs = [None]
        self.variables = set()
        self.signatures = {}

    def add(self, spec):
        self.subgraphs.append(spec)
        return len(self.subgraphs) - 1


class Body:
    """One subgraph under construction.

    Attributes:
        values: Tensor numbers of each of KINDS.
    """

    def __init__(self, model, kinds, depth):
        self.model, self.rng, self.depth = model, model.rng, depth
        self.tensors, self.ops = [], []
        self.values = {kind: [] for kind in KINDS}
        self.inputs = [self.new(kind) for kind in kinds]

    def tensor(self, spec):
        self.tensors.append(spec)
        return len(self.tensors) - 1

    def new(self, kind):
        self.values[kind].append(self.tensor(value(kind)))
        return self.values[kind][-1]

    def any(self, kind):
        """A value of a kind, a new constant if there is none and sometimes otherwise."""
        if not self.values[kind] or chance(self.rng, 0.1):
            self.values[kind].append(self.tensor(value(kind, content(self.rng, kind))))
        return int(self.rng.choice(self.values[kind]))

    def some(self, largest=3):
        """The kinds of a few values."""
        return [str(kind) for kind in self.rng.choice(KINDS, extent(self.rng, largest))]

    def compute(self):
        kind = str(self.rng.choice(KINDS))
        name = str(self.rng.choice(["ADD", "SUB", "MAXIMUM", "RELU" if kind == "int8" else "ADD"]))
        inputs = [self.any(kind) for _ in range(1 if name == "RELU" else 2)]
        self.ops.append(OpSpec(name, inputs, [self.new(kind)]))

    def branch(self):
        condition = self.condition()
        takes, gives = self.some(), self.some()
        options = {
            "then_subgraph_index": subgraph(self.model, takes, gives, self.depth + 1),
            "else_subgraph_index": subgraph(self.model, takes, gives, self.depth + 1),
        }
        inputs = [condition, *(self.any(kind) for kind in takes)]
        self.ops.append(OpSpec("IF", inputs, [self.new(kind) for kind in gives], options))

    def condition(self):
        if chance(self.rng, 0.1):
            return self.tensor(TensorSpec((1,), "bool", data=[chance(self.rng, 0.5)]))
        part, result = self.tensor(ONE), self.tensor(BOOL)
        begin, size = (self.tensor(TensorSpec((1,), "int32", data=[n])) for n in (1, 1))
        limit = self.tensor(TensorSpec((1,), "int32", data=[int(self.rng.integers(-50, 50))]))
        self.ops.append(OpSpec("SLICE", [self.any("int32"), begin, size], [part]))
        self.ops.append(OpSpec("LESS", [part, limit], [result]))
        return result

    def loop(self):
        """Up to three turns; the counter is the first of what is carried."""
        kinds = self.some()
        condition = Body(self.model, kinds, self.depth + 1)
        first, limit, result = (condition.tensor(spec) for spec in (ONE, ONE, BOOL))
        turns = int(self.rng.integers(0, 4))
        condition.tensors[limit] = TensorSpec((1,), "int32", data=[turns])
        condition.ops.append(OpSpec("LESS", [first, limit], [result]))
        body = Body(self.model, kinds, self.depth + 1)
        body.fill(2)
        before, step, after = (body.tensor(ONE) for _ in range(3))
        body.tensors[step] = TensorSpec((1,), "int32", data=[1])
        body.ops.append(OpSpec("ADD", [before, step], [after]))
        outputs = [after, *(body.any(kind) for kind in kinds)]
        options = {
            "cond_subgraph_index": self.model.add(
                SubgraphSpec(condition.tensors, condition.ops, [first, *condition.inputs], [result])
            ),
            "body_subgraph_index": self.model.add(
                SubgraphSpec(body.tensors, body.ops, [before, *body.inputs], outputs)
            ),
        }
        start = self.tensor(TensorSpec((1,), "int32", data=[0]))
        carried = [start, *(self.any(kind) for kind in kinds)]
        results = [self.tensor(ONE), *(self.new(kind) for kind in kinds)]
        self.ops.append(OpSpec("WHILE", carried, results, options))

    def handle(self, name):
        resource = self.tensor(TensorSpec((1,), "resource"))
        options = {"shared_name": name, "container": "c"}
        self.ops.append(OpSpec("VAR_HANDLE", [], [resource], options))
        return resource

    def variable(self):
        kind = str(self.rng.choice(KINDS))
        name = f"{kind} {extent(self.rng, 2)}"
        self.model.variables.add(name)
        resource = self.handle(name)
        if chance(self.rng, 0.5):
            self.ops.append(OpSpec("READ_VARIABLE", [resource], [self.new(kind)]))
        else:
            self.ops.append(OpSpec("ASSIGN_VARIABLE", [resource, self.any(kind)], []))

    def assign_all(self):
        """Give every variable a value for the next call: without any, it is undefined."""
        for name in sorted(self.model.variables):
            source = self.any(name.split()[0])
            self.ops.append(OpSpec("ASSIGN_VARIABLE", [self.handle(name), source], []))

    def once(self):
        start = Body(self.model, [], self.depth)
        start.fill(2, "variable")
        number = self.model.add(SubgraphSpec(start.tensors, start.ops, [], []))
        self.ops.append(OpSpec("CALL_ONCE", [], [], {"init_subgraph_index": number}))

    def fill(self, most, *only):
        steps = ["compute", "compute", "variable"]
        steps += ["branch", "loop"] if self.depth < 2 else []
        for _ in range(extent(self.rng, most)):
            getattr(self, str(self.rng.choice(only or steps)))()


def subgraph(model, takes, gives, depth):
    """The number of a subgraph with inputs and outputs of these kinds, a new one or a known one."""
    known = [n for n, signature in model.signatures.items() if signature == (takes, gives)]
    if known and chance(model.rng, 0.5):
        return int(model.rng.choice(known))
    body = Body(model, takes, depth)
    if chance(model.rng, 0.8):
        body.fill(3)
    outputs = [body.any(kind) for kind in gives]
    number = model.add(SubgraphSpec(body.tensors, body.ops, body.inputs, outputs))
    model.signatures[number] = (takes, gives)
    return number


def control(rng, size):
    """A main graph of a few steps; its outputs may be inputs, constants, or twice the same."""
    model = Model(rng)
    main = Body(model, [str(kind) for kind in rng.choice(KINDS, extent(rng, 3))], 0)
    # After a reset, TFLM does not run CALL_ONCE again, so variables are zero; here they are as new.
    once = chance(rng, 0.3)
    if once:
        main.once()
    main.fill(size)
    main.assign_all()
    outputs = [main.any(kind) for kind in main.some(4)]
    model.subgraphs[0] = SubgraphSpec(main.tensors, main.ops, main.inputs, outputs)
    mode = str(rng.choice(["balanced", "ram", "size", "speed"]))
    reset = None if once else 4
    spec = build(model.subgraphs)
    seed = case_seed(rng)
    return random_case("control flow", spec, 5, seed, optimize=mode, reset=reset)


GENERATORS = {"graph of subgraphs": control}
