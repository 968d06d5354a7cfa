// {{ name }}: {{ models | map(attribute="name") | join(", ") }} in WebAssembly. Made by edgeq {{ edgeq_version }}.

{% macro listed(tensors, kind) %}
{% for tensor in tensors %}{{ (kind or arrays[tensor.dtype]) | code }}{% if not loop.last %}, {% endif %}{% endfor %}
{%- endmacro %}
{% macro result(tensors, kind) %}
{% if tensors | length == 1 %}{{ (kind or arrays[tensors[0].dtype]) | code }}{% else %}[{{ listed(tensors, kind) | code }}]{% endif %}
{%- endmacro %}
{% macro given(tensors, kind) %}
{% for tensor in tensors %}input{% if loop.index0 %}{{ loop.index0 }}{% endif %}: {{ (kind or arrays[tensor.dtype]) | code }}{% if not loop.last %}, {% endif %}{% endfor %}
{%- endmacro %}
export interface Tensor {
    readonly dtype: string;
    readonly shape: readonly number[];
    /** Number of values. */
    readonly length: number;
    /** real = (value - zeroPoint) * scale; a scale of 0 stands for values as they are. */
    readonly scale: number;
    readonly zeroPoint: number;
}

/** Relaxed vectors of an engine whose dot product is exact; vectors; none. */
export type Vectors = "relaxed" | boolean;

export interface LoadOptions {
    /** A module from `compileModule`, compiled elsewhere and posted here. */
    module?: WebAssembly.Module | Promise<WebAssembly.Module>;
    /** Which form to take, with 128-bit vectors, relaxed ones or none; by default the best. */
    vectors?: Vectors;
}

{% if models | selectattr("stream") | list %}
/** What was decided: a class, its mean score from 0 to 1, samples since reset() until then. */
export interface Event {
    readonly label: number;
    readonly score: number;
    readonly sample: number;
}

{% endif %}
/** Whether this engine has the 128-bit vectors of WebAssembly. */
export function hasVectors(): boolean;

/** The form that this engine takes. */
export function bestVectors(): Vectors;

/** The compiled module, for `load` or to be posted to a worker; compiled once. */
export function compileModule(options?: { vectors?: Vectors }): Promise<WebAssembly.Module>;
{% for model in models %}

export interface {{ model.title }} {
    /** SHA-256 of the .tflite file. */
    readonly sha256: string;
    readonly inputs: readonly Tensor[];
    readonly outputs: readonly Tensor[];
{% for tensor in model.inputs %}
    /** The model's own memory: write here, then invoke(). A call may overwrite it. */
    input(k{% if loop.first %}?{% endif %}: {{ loop.index0 }}): {{ arrays[tensor.dtype] }};
{% endfor %}
{% for tensor in model.outputs %}
    /** The model's own memory: valid until the next call or write to an input. */
    output(k{% if loop.first %}?{% endif %}: {{ loop.index0 }}): {{ arrays[tensor.dtype] }};
{% endfor %}
{% if model.stream %}
    /** Hz; 0 where samples are bytes of frames. */
    readonly sampleRate: number;
    /** Samples until the first answer, and from one to the next. */
    readonly firstAnswer: number;
    readonly answerStep: number;
    /**
     * Samples as they come: how many answers became ready. output() is the last of them; of at
     * most answerStep samples there is never more than one.
     */
    push(samples: {{ arrays[model.stream.dtype] }}): number;
    /** The oldest event that was not taken yet; undefined where there is none. */
    decision(): {% if model.stream.decision %}Event | {% endif %}undefined;
    /** The last answer in real numbers. */
    outputReal(): {{ result(model.outputs, "Float32Array") | code }};
{% else %}
    /** Run the model once on what its inputs hold. */
    invoke(): void;
    /** The outputs for inputs in the types of the tensors: the bytes of TensorFlow Lite Micro. */
    run({{ given(model.inputs, "") | code }}): {{ result(model.outputs, "") | code }};
    /** The outputs in real numbers for inputs in real numbers. */
    runReal({{ given(model.inputs, "ArrayLike<number>") | code }}): {{ result(model.outputs, "Float32Array") | code }};
    /** Write real numbers into the inputs, each in its own type, for invoke(). */
    inputReal({{ given(model.inputs, "ArrayLike<number>") | code }}): void;
    /** The last answer in real numbers. */
    outputReal(): {{ result(model.outputs, "Float32Array") | code }};
    /** Samples and decisions are of models with a front end. */
    push(samples: never): number;
    decision(): undefined;
{% endif %}
    /** Forget all calls so far, where the model keeps something from call to call. */
    reset(): void;
    /** 0 when each op gives the bytes known when this was made, else the first op that differs. */
    selfTest(): number;
    /** The name of a class, where the model has names; else undefined. */
    label(index: number): string | undefined;
}

/** {{ model.name }}, ready to run. */
export function load{{ model.title }}(options?: LoadOptions): Promise<{{ model.title }}>;
{% endfor %}
