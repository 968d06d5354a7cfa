// {{ models[0].name }} in a worker, so that the page stays at hand while it runs.
import { load{{ models[0].title }} } from "../index.js";

let model;

onmessage = async ({ data }) => {
    model ??= await load{{ models[0].title }}({ module: data.module });
    const outputs = [model.runReal(...data.inputs)].flat();
    postMessage({ id: data.id, outputs }, outputs.map((values) => values.buffer));
};
