// {{ models[0].name }} in a worker, so that the page stays at hand while it listens.
import { load{{ models[0].title }} } from "../index.js";

let model;

onmessage = async ({ data }) => {
    model ??= await load{{ models[0].title }}({ module: data.module });
    const answers = model.push(data.samples);
    const events = [];
    for (let event; (event = model.decision());) {
        events.push({ ...event, name: model.label(event.label) });
    }
    postMessage({ answers, events, output: model.outputReal() });
};
