// Sound: from a file or a microphone, in the model's sample rate, with the events it hears.

const MOST_EVENTS = 200;

function takeSound(panel) {
    const { model } = panel;
    const events = panel.find("events");
    const rate = model.sampleRate || 1;

    const note = () => {
        for (let event; (event = model.decision());) {
            if (events.rows.length < MOST_EVENTS) {
                const row = events.insertRow();
                row.append(element("td", `${(event.sample / rate).toFixed(2)} s`, "n"));
                row.append(element("td", panel.name(event.label)), element("td", event.score.toFixed(3), "n"));
            }
        }
    };
    const samplesOf = (values) => Int16Array.from(values, (value) =>
        Math.max(-32768, Math.min(32767, Math.round(value * 32768))));

    /** A recording from the beginning: the highest score of each class, and all events. */
    panel.hear = (values) => {
        model.reset();
        events.replaceChildren();
        const samples = samplesOf(values);
        let best = null;
        let answers = 0;
        const start = performance.now();
        for (let done = 0; done < samples.length; done += model.answerStep) {
            const made = model.push(samples.subarray(done, done + model.answerStep));
            note();
            if (made > 0) {
                const scores = [model.outputReal()].flat();
                best = best?.map((old, k) => old.map((value, i) => Math.max(value, scores[k][i]))) ?? scores;
            }
            answers += made;
        }
        const spent = performance.now() - start;
        if (!best) {
            throw new Error(`The first answer needs ${model.firstAnswer} samples; ${samples.length} are there.`);
        }
        panel.showScores(best);
        panel.showRaw([]);
        panel.find("time").textContent = panel.timeText(spent / answers).replace("a call", "an answer");
        panel.say(`${answers} answers, ${(samples.length / rate).toFixed(2)} s; highest scores.`);
    };

    takeDevice(panel, "microphone", { audio: true }, async (stream) => {
        const context = new AudioContext({ sampleRate: model.sampleRate }); // resamples what it hears
        const source = context.createMediaStreamSource(stream);
        // An AudioWorklet would have to be fetched, which this page may not.
        const tap = context.createScriptProcessor(2048, 1, 1);
        model.reset();
        events.replaceChildren();
        tap.onaudioprocess = ({ inputBuffer }) => {
            const made = model.push(samplesOf(inputBuffer.getChannelData(0)));
            note();
            if (made > 0) {
                panel.showScores([model.outputReal()].flat());
                panel.showRaw([]);
            }
        };
        source.connect(tap);
        tap.connect(context.destination);
        panel.say("Listening.");
        return () => {
            tap.disconnect();
            source.disconnect();
            context.close();
            panel.say("Ready.");
        };
    });
    return async (file) => {
        const context = new OfflineAudioContext(1, 1, model.sampleRate); // resamples what it decodes
        const sound = await context.decodeAudioData(await file.arrayBuffer());
        panel.hear(sound.getChannelData(0));
    };
}
