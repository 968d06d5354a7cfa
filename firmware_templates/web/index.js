// {{ name }}: {{ models | map(attribute="name") | join(", ") }} in WebAssembly. Made by edgeq {{ edgeq_version }}.

{% macro facts(tensor) %}
{ dtype: "{{ tensor.dtype }}", shape: [{{ tensor.shape | join(", ") }}], length: {{ tensor.elements }}, scale: {{ tensor.scale }}, zeroPoint: {{ tensor.zero_point }}, array: {{ arrays[tensor.dtype] }} }
{%- endmacro %}
const MODELS = {
{% for model in models %}
    {{ model.name }}: {
        sha256: "{{ model.sha256 }}",
        inputs: [
{% for tensor in model.inputs %}
            {{ facts(tensor) | code }},
{% endfor %}
        ],
        outputs: [
{% for tensor in model.outputs %}
            {{ facts(tensor) | code }},
{% endfor %}
        ],
{% if model.stream %}
        stream: {
            sampleRate: {{ model.stream.rate_hz }}, firstAnswer: {{ model.stream.first_answer }}, answerStep: {{ model.answer_step }},
            most: {{ [model.answer_step, 4096] | min }}, decides: {{ "true" if model.stream.decision else "false" }}, array: {{ arrays[model.stream.dtype] }},
        },
{% endif %}
    },
{% endfor %}
};

// A module with one function that returns a v128 constant: valid where there are vectors.
const VECTORS = new Uint8Array([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 22, 1, 20, 0, 253, 12,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11,
]);

// A function that multiplies bytes of 255 by 127 and by -127, four at a time, and subtracts the sums.
const DOTS = new Uint8Array([
    0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 127, 3, 2, 1, 0, 7, 5, 1, 1, 102, 0, 0,
    10, 74, 1, 72, 1, 1, 123,
    253, 12, 127, 127, 127, 127, 129, 129, 129, 129, 0, 0, 0, 0, 0, 0, 0, 0,
    253, 12, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 0, 0, 0, 0, 0,
    253, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    253, 147, 2, 34, 0, 253, 27, 0, 32, 0, 253, 27, 1, 107, 11,
]);

/** Whether this engine has the 128-bit vectors of WebAssembly. */
export const hasVectors = () => WebAssembly.validate(VECTORS);

/** Whether its relaxed dot product is exact for unsigned by signed bytes: engines choose. */
function hasExactDots() {
    if (!WebAssembly.validate(DOTS)) {
        return false;
    }
    const { exports } = new WebAssembly.Instance(new WebAssembly.Module(DOTS));
    return exports.f() === 2 * 4 * 127 * 255;
}

let best;

/** The form that this engine takes: "relaxed", true (vectors), or false. */
export function bestVectors() {
    best ??= hasExactDots() ? "relaxed" : hasVectors();
    return best;
}

const STALE = "put all files of the build there, and let no cache answer with older ones";
const compiled = new Map();

async function bytes(url) {
    if (url.protocol === "file:") {
        const { readFile } = await import("node:fs/promises");
        return readFile(url);
    }
    const answer = await fetch(url);
    if (!answer.ok) {
        throw new Error(`${url} was not found: ${answer.status}`);
    }
    return answer.arrayBuffer();
}

function crc32(parts) {
    const table = new Uint32Array(256).map((_, byte) => {
        for (let bit = 0; bit < 8; bit++) {
            byte = byte & 1 ? (byte >>> 1) ^ 0xedb88320 : byte >>> 1;
        }
        return byte;
    });
    let crc = -1;
    for (const part of parts) {
        for (let i = 0; i < part.length; i++) {
            crc = (crc >>> 8) ^ table[(crc ^ part[i]) & 255];
        }
    }
    return ~crc >>> 0;
}

/**
 * The weights are the end of a module, and in all forms the same: they lie in a file of their own.
 * Which file that is, the last section of the code says: a cache may give an older one.
 */
async function compile(url) {
    const weights = new URL("./{{ name }}.data", import.meta.url);
    const raw = await Promise.all([bytes(url), bytes(weights)]);
    const [code, data] = raw.map((part) => new Uint8Array(part));
    const end = Math.max(code.length - {{ tie_bytes }}, 0);
    const tie = new DataView(code.buffer, end);
    const whole = tie.byteLength === {{ tie_bytes }}
        && tie.getUint32({{ tie_bytes - 8 }}, true) === data.length
        && tie.getUint32({{ tie_bytes - 4 }}, true) === crc32([code.subarray(0, end), data]);
    if (!whole) {
        throw new Error(`${url} and ${weights} are not of one build, or damaged: ${STALE}`);
    }
    return WebAssembly.compile(await new Blob([code, data]).arrayBuffer());
}

/** The compiled module, for `load` or to be posted to a worker; compiled once. */
export function compileModule({ vectors = bestVectors() } = {}) {
    if (!compiled.has(vectors)) {
        // Each in full, so that bundlers find them.
        const url = vectors === "relaxed"
            ? new URL("./{{ name }}.relaxed.wasm", import.meta.url)
            : vectors
                ? new URL("./{{ name }}.simd.wasm", import.meta.url)
                : new URL("./{{ name }}.wasm", import.meta.url);
        const made = compile(url);
        made.catch(() => compiled.delete(vectors));
        compiled.set(vectors, made);
    }
    return compiled.get(vectors);
}

/** One model with memory of its own. Calls are made in order; it is no thread's but its own. */
export class Model {
    #exports;
    #name;
    #inputs;
    #outputs;
    #stream;

    constructor(name, exports) {
        const model = MODELS[name];
        this.#name = name;
        this.#exports = exports;
        if (exports[`${name}.model`]?.() >>> 0 !== parseInt(model.sha256.slice(0, 8), 16)) {
            throw new Error(`index.js and the module are not of one build of ${name}: ${STALE}`);
        }
        this.sha256 = model.sha256;
        this.inputs = model.inputs;
        this.outputs = model.outputs;
        this.#stream = model.stream;
        if (model.stream) {
            this.sampleRate = model.stream.sampleRate;
            this.firstAnswer = model.stream.firstAnswer;
            this.answerStep = model.stream.answerStep;
        }
        this.#call("setup");
        this.#inputs = model.inputs.map((tensor, k) => this.#view(tensor, this.#call(`input.${k}`)));
        this.#outputs = model.outputs.map((tensor, k) =>
            this.#view(tensor, this.#call(`output.${k}`)));
    }

    /** The model's own memory of input `k`: write here, then invoke(). A call may overwrite it. */
    input(k = 0) {
        return this.#inputs[k];
    }

    /** The model's own memory of output `k`: valid until the next call or write to an input. */
    output(k = 0) {
        return this.#outputs[k];
    }

    /** Samples as they come: how many answers became ready; output() is the last of them. */
    push(samples) {
        const { array, most } = this.#stream ?? {};
        if (!array || !(samples instanceof array)) {
            throw new TypeError(array ? `samples are an ${array.name}` : "run() takes tensors");
        }
        let answers = 0;
        const place = new array(this.#exports.memory.buffer, this.#call("samples"), most);
        for (let done = 0; done < samples.length; done += most) {
            const part = samples.subarray(done, done + most);
            place.set(part);
            answers += this.#call("push", part.length);
        }
        return answers;
    }

    /** The oldest event that was not taken yet; undefined where there is none. */
    decision() {
        const place = this.#stream?.decides ? this.#call("decision") : 0;
        if (place === 0) {
            return undefined;
        }
        const event = new DataView(this.#exports.memory.buffer, place, 8);
        return {
            label: event.getInt16(0, true),
            score: event.getInt16(2, true) / 32768,
            sample: event.getUint32(4, true),
        };
    }

    /** The last answer in real numbers. */
    outputReal() {
        const memory = this.#exports.memory.buffer;
        const place = this.#exports.real();
        return one(this.outputs.map((tensor, k) => {
            this.#call(`to_real.${k}`);
            return new Float32Array(memory, place, tensor.length).slice();
        }));
    }

    /** Run the model once on what its inputs hold. */
    invoke() {
        if (this.#stream) {
            throw new TypeError("push() takes the samples of this model");
        }
        this.#call("invoke");
    }

    /** The outputs for inputs in the types of the tensors: the bytes of TensorFlow Lite Micro. */
    run(...inputs) {
        this.#fed(inputs, (values, tensor, k) => {
            if (!(values instanceof tensor.array)) {
                throw new TypeError(`input ${k} takes a ${tensor.array.name}; runReal takes real numbers`);
            }
            this.#inputs[k].set(values);
        });
        this.invoke();
        return one(this.#outputs.map((view) => view.slice()));
    }

    /** The outputs in real numbers for inputs in real numbers. */
    runReal(...inputs) {
        this.inputReal(...inputs);
        this.invoke();
        return this.outputReal();
    }

    /** Write real numbers into the inputs, each in its own type; invoke() is the caller's. */
    inputReal(...inputs) {
        const memory = this.#exports.memory.buffer;
        const place = this.#exports.real();
        this.#fed(inputs, (values, tensor, k) => {
            new Float32Array(memory, place, tensor.length).set(values);
            this.#call(`from_real.${k}`);
        });
    }

    /** Forget all calls so far, where the model keeps something from call to call. */
    reset() {
        this.#call("restart");
    }

    /** 0 when each op gives the bytes known when this was made, else the first op that differs. */
    selfTest() {
        return this.#call("check");
    }

    /** The name of a class, where the model has names; else undefined. */
    label(index) {
        const place = this.#call("label", index);
        if (place === 0) {
            return undefined;
        }
        const bytes = new Uint8Array(this.#exports.memory.buffer, place);
        return new TextDecoder().decode(bytes.slice(0, bytes.indexOf(0)));
    }

    #call(what, ...args) {
        return this.#exports[`${this.#name}.${what}`](...args);
    }

    #view(tensor, place) {
        return new tensor.array(this.#exports.memory.buffer, place, tensor.length);
    }

    #fed(inputs, write) {
        if (inputs.length !== this.inputs.length) {
            throw new TypeError(`${this.inputs.length} inputs are needed, ${inputs.length} given`);
        }
        inputs.forEach((values, k) => {
            const tensor = this.inputs[k];
            if (values.length !== tensor.length) {
                throw new RangeError(`input ${k} has ${tensor.length} values, not ${values.length}`);
            }
            write(values, tensor, k);
        });
    }
}

const one = (values) => (values.length === 1 ? values[0] : values);

async function load(name, { module, vectors } = {}) {
    const wasm = await (module ?? compileModule(vectors === undefined ? {} : { vectors }));
    const { exports } = await WebAssembly.instantiate(wasm, {});
    return new Model(name, exports);
}

{% for model in models %}
/** {{ model.name }}, ready to run. */
export const load{{ model.title }} = (options) => load("{{ model.name }}", options);
{% endfor %}
