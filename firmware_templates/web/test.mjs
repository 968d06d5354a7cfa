// npm test: the known input that edgeq has put in, in all forms that this engine takes.
import assert from "node:assert/strict";
import { test } from "node:test";

import * as package_ from "./index.js";

for (const vectors of new Set([package_.bestVectors(), true, false])) {
{% for model in models %}
    test(`{{ model.name }}, vectors ${vectors}`, async () => {
        const model = await package_.load{{ model.title }}({ vectors });
{% if model.has_selftest %}
        assert.equal(model.selfTest(), 0);
        model.reset();
{% endif %}
{% if model.stream %}
        const silence = new {{ arrays[model.stream.dtype] }}(model.firstAnswer + model.answerStep);
        assert.equal(model.push(silence), 2);
        const first = model.outputReal();
        model.reset();
        assert.equal(model.push(silence), 2);
        assert.deepEqual(model.outputReal(), first);
{% else %}
        const zeros = model.inputs.map((tensor) => new tensor.array(tensor.length));
        const first = [model.run(...zeros)].flat();
        model.reset();
        assert.deepEqual([model.run(...zeros)].flat(), first);
        assert.equal(first.length, model.outputs.length);
{% endif %}
    });
{% endfor %}
}
