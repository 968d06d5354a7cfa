// The panel: what people give becomes the model's input, what it answers becomes rows.
// `load` comes from the module above; texts of a model go in by textContent alone.

const MOST_RAW = 4096; // values that are shown as they are
const MOST_ROWS = 1000; // scores that are shown
const CLOCK_MS = 30; // how long calls are timed

function bytesOf(id) {
    return Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (c) => c.charCodeAt(0));
}

function element(name, text = "", kind = "") {
    const made = document.createElement(name);
    made.textContent = text;
    made.className = kind;
    return made;
}

class Panel {
    constructor(id, model, clock, vectors) {
        this.root = document.getElementById(id);
        this.facts = JSON.parse(document.getElementById(`${id}-facts`).textContent);
        this.model = model;
        this.clock = clock; // another instance: a call changes what a model remembers
        this.vectors = vectors;
    }

    find(name) {
        return this.root.querySelector(`[data-part="${name}"]`);
    }

    say(text, wrong = false) {
        const line = this.find("said");
        line.textContent = text;
        line.classList.toggle("wrong", wrong);
    }

    /** Run an action of a person's; what goes wrong is said. */
    async act(action) {
        try {
            await action();
        } catch (error) {
            this.say(error.message || `${error}`, true);
        }
    }

    name(index) {
        return this.model.label(index) ?? this.facts.labels[index] ?? `${index}`;
    }

    /** One call on real numbers, an array for each input; its scores and bytes are shown. */
    run(inputs, { timed = true } = {}) {
        this.model.reset();
        this.model.inputReal(...inputs);
        const given = inputs.map((_, k) => this.model.input(k).slice());
        this.model.invoke();
        this.showScores([this.model.outputReal()].flat());
        this.showRaw(given);
        if (timed) {
            this.find("time").textContent = this.timeOf(given);
        }
    }

    showRaw(given) {
        const words = (values) => values.length > MOST_RAW
            ? `${Array.from(values.subarray(0, MOST_RAW)).join(" ")} ...` : Array.from(values).join(" ");
        this.find("given").textContent = given.map(words).join("\n");
        const outputs = this.model.outputs.map((_, k) => words(this.model.output(k)));
        this.find("raw").textContent = outputs.join("\n");
    }

    /** How long a call takes: the middle of several. */
    timeOf(given) {
        const times = [];
        const until = performance.now() + CLOCK_MS;
        let calls = 1;
        while (performance.now() < until || times.length === 0) {
            const start = performance.now();
            for (let k = 0; k < calls; k++) {
                given.forEach((values, n) => this.clock.input(n).set(values));
                this.clock.invoke();
            }
            const spent = performance.now() - start;
            if (spent < 1) { // clocks of browsers are coarse
                calls *= 2;
            } else {
                times.push(spent / calls);
            }
        }
        times.sort((a, b) => a - b);
        return this.timeText(times[times.length >> 1]);
    }

    timeText(ms) {
        const text = ms < 1 ? `${(ms * 1000).toPrecision(3)} µs` : `${ms.toPrecision(3)} ms`;
        return `${text} a call, ${this.vectors ? "with" : "without"} vectors`;
    }

    showScores(outputs) {
        const place = this.find("scores");
        place.replaceChildren();
        outputs.forEach((values, k) => {
            if (outputs.length > 1) {
                const row = place.insertRow();
                row.append(element("td", `output ${k}`, "kind"));
            }
            this.showOutput(place, Array.from(values));
        });
    }

    /** Scores as rows; of very many the first ones and the highest. */
    showOutput(place, values) {
        const lowest = values.reduce((a, b) => Math.min(a, b), Infinity);
        const highest = values.reduce((a, b) => Math.max(a, b), -Infinity);
        const least = Math.min(0, lowest);
        const most = Math.max(least + 1e-9, highest, least < 0 ? 0 : 1);
        const top = values.indexOf(highest);
        const shown = [...values.slice(0, MOST_ROWS).keys(), ...(top >= MOST_ROWS ? [top] : [])];
        for (const index of shown) {
            const row = place.insertRow();
            row.className = index === top && values.length > 1 ? "top" : "";
            const bar = element("td", "", "m");
            const meter = document.createElement("meter");
            meter.min = least;
            meter.max = most;
            meter.value = values[index];
            meter.setAttribute("aria-label", `score of ${this.name(index)}`);
            bar.append(meter);
            row.append(element("td", this.name(index)), bar, element("td", scoreText(values[index]), "n"));
        }
        if (values.length > shown.length) {
            place.insertRow().append(element("td", `${values.length - shown.length} more`, "kind"));
        }
    }
}

const scoreText = (value) => (Math.abs(value) < 1000 ? value.toFixed(4) : value.toPrecision(6));

/** Numbers of a text, a row a line; what is no number makes no row (a header). */
function rowsOf(text) {
    return text.split(/\r?\n/)
        .map((line) => line.trim().split(/[\s,;]+/).filter((word) => word !== "").map(Number))
        .filter((row) => row.length > 0 && !row.some(Number.isNaN));
}

/** Rows of numbers as the model's inputs: one sample a row, or all of them one sample. */
function samplesOf(rows, tensors) {
    const lengths = tensors.map((tensor) => tensor.length);
    const needed = lengths.reduce((a, b) => a + b, 0);
    const flat = rows.flat();
    const each = rows.every((row) => row.length === needed) ? rows : [flat];
    if (flat.length === 0 || each[0].length !== needed) {
        throw new Error(`The model takes ${needed} numbers; ${flat.length} are there.`);
    }
    return each.map((row) => {
        let start = 0;
        return lengths.map((length) => Float32Array.from(row.slice(start, start += length)));
    });
}

function takeNumbers(panel) {
    const text = panel.find("numbers");
    let row = 0;
    const run = () => panel.act(() => {
        if (panel.facts.way === "sound") {
            throw new Error("This model takes sound.");
        }
        const rows = rowsOf(text.value);
        const samples = samplesOf(rows, panel.model.inputs);
        row %= samples.length;
        panel.run(samples[row]);
        const more = samples.length > 1 ? `, row ${row + 1} of ${samples.length}; press again for the next` : "";
        panel.say(`Numbers${more}`);
        row += 1;
    });
    text.addEventListener("input", () => { row = 0; });
    panel.find("run").addEventListener("click", run);
    return async (file) => {
        text.value = await file.text();
        text.closest("details").open = true;
        row = 0;
        await run();
    };
}

/** Files that are dropped or chosen, by what they are. */
function takeFiles(panel, takers) {
    const take = (file) => panel.act(async () => {
        const kind = /\.(csv|txt)$/i.test(file.name) ? "text" : file.type.split("/")[0];
        const taker = takers[kind];
        if (!taker) {
            throw new Error(`This panel takes ${Object.keys(takers).join(" or ")} files.`);
        }
        await taker(file);
    });
    for (const name of ["file", "csv"]) {
        panel.find(name)?.addEventListener("change", ({ target }) => {
            if (target.files.length > 0) {
                take(target.files[0]);
                target.value = "";
            }
        });
    }
    panel.root.addEventListener("dragover", (event) => {
        event.preventDefault();
        panel.root.classList.add("over");
    });
    panel.root.addEventListener("dragleave", () => panel.root.classList.remove("over"));
    panel.root.addEventListener("drop", (event) => {
        event.preventDefault();
        panel.root.classList.remove("over");
        if (event.dataTransfer.files.length > 0) {
            take(event.dataTransfer.files[0]);
        }
    });
}

/** A button for a camera or microphone, where the page may have one: it starts, then stops. */
function takeDevice(panel, name, wanted, start) {
    const button = panel.find(name);
    if (!button) {
        return;
    }
    if (!navigator.mediaDevices) {
        button.disabled = true;
        button.title = "where the page comes from https or this machine";
        return;
    }
    const words = button.textContent;
    let stop = null;
    button.addEventListener("click", () => panel.act(async () => {
        if (stop) {
            stop();
            stop = null;
            button.textContent = words;
            return;
        }
        const stream = await navigator.mediaDevices.getUserMedia(wanted);
        const end = await start(stream);
        button.textContent = "Stop";
        stop = () => {
            end();
            stream.getTracks().forEach((track) => track.stop());
        };
    }));
}

async function start(id, load) {
    const root = document.getElementById(id);
    try {
        const vectors = hasVectors();
        const parts = [bytesOf(`${id}-${vectors ? "vectors" : "plain"}`), bytesOf(`${id}-data`)];
        const module = await WebAssembly.compile(await new Blob(parts).arrayBuffer());
        const panel = new Panel(id, await load({ module }), await load({ module }), vectors);
        const takers = { text: takeNumbers(panel) };
        if (panel.facts.way === "image") {
            takers.image = takeImages(panel);
        } else if (panel.facts.way === "sound") {
            takers.audio = takeSound(panel);
        }
        takeFiles(panel, takers);
        panel.say("Ready.");
        root.dataset.ready = "yes";
    } catch (error) {
        root.querySelector('[data-part="said"]').textContent = `The model could not be started: ${error.message}`;
    }
}
