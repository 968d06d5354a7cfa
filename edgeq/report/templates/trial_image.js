// Pictures: drawn, from a file, from a camera. All become the model's height, width and channels.

const PEN = 1 / 7; // of the side of the canvas

function takeImages(panel) {
    const [, height, width, channels] = panel.model.inputs[0].shape;
    const canvas = panel.find("draw");
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const seen = panel.find("seen");
    seen.width = width;
    seen.height = height;
    const [black, white] = rangeOf(panel);
    panel.find("black").value = black;
    panel.find("white").value = white;

    /** The canvas or a box of it, averaged into the model's pixels, each from 0 to 255. */
    const pixelsOf = (box) => {
        const image = pen.getImageData(0, 0, canvas.width, canvas.height);
        const pixels = averaged(image, box, width, height);
        const invert = panel.find("invert").checked;
        return pixels.map((value) => (invert ? 255 - value : value));
    };
    const run = (timed = true) => panel.act(() => {
        const fit = drawn && panel.find("fit").checked;
        const rgb = pixelsOf(fit ? inkBox(pen, canvas, width, height) : whole(canvas));
        showSeen(seen, rgb);
        const [low, high] = ["black", "white"].map((name) => Number(panel.find(name).value));
        const values = new Float32Array(height * width * channels);
        for (let k = 0; k < height * width; k++) {
            const [r, g, b] = rgb.subarray(3 * k, 3 * k + 3);
            const own = channels === 1 ? [0.299 * r + 0.587 * g + 0.114 * b] : [r, g, b];
            own.forEach((value, c) => { values[k * channels + c] = low + (high - low) * value / 255; });
        }
        panel.run([values], { timed });
        panel.say(drawn ? "Drawn." : "Picture.");
    });

    let drawn = true;
    const clear = () => {
        pen.fillStyle = "#000";
        pen.fillRect(0, 0, canvas.width, canvas.height);
        drawn = true;
    };
    clear();
    drawing(canvas, pen, () => {
        if (!drawn) {
            clear();
        }
    }, run);
    panel.find("clear").addEventListener("click", () => {
        clear();
        panel.say("Ready.");
    });
    for (const name of ["black", "white", "invert", "fit"]) {
        panel.find(name).addEventListener("change", () => run());
    }

    const show = (source, across, down) => {
        // The middle of it, in the model's proportions.
        const scale = Math.min(across / width, down / height);
        const [w, h] = [width * scale, height * scale];
        drawn = false;
        pen.drawImage(source, (across - w) / 2, (down - h) / 2, w, h, 0, 0, canvas.width, canvas.height);
    };
    takeDevice(panel, "camera", { video: { facingMode: "environment" } }, async (stream) => {
        const video = panel.find("video");
        video.srcObject = stream;
        await video.play();
        let timer = 0;
        let frames = 0;
        const look = () => {
            show(video, video.videoWidth, video.videoHeight);
            run(frames++ % 10 === 0);
            timer = setTimeout(look, 100);
        };
        look();
        return () => clearTimeout(timer);
    });
    return async (file) => {
        const picture = await createImageBitmap(file);
        show(picture, picture.width, picture.height);
        await run();
    };
}

/** What black and white are for the model: as its data were, or the ends of what it can take. */
function rangeOf(panel) {
    if (panel.facts.range) {
        return panel.facts.range;
    }
    const { dtype, scale, zeroPoint } = panel.model.inputs[0];
    if (!scale) {
        return dtype === "float32" ? [0, 1] : [0, 255];
    }
    const least = dtype.startsWith("u") ? 0 : -(2 ** (dtype === "int16" ? 15 : 7));
    const most = dtype.startsWith("u") ? 255 : -least - 1;
    return [least, most].map((value) => Number(((value - zeroPoint) * scale).toPrecision(4)));
}

/** Pointer and keys on the canvas: arrows move the pen, the space bar puts it down or up. */
function drawing(canvas, pen, begin, run) {
    let at = null; // where the pointer draws
    let keys = null; // where the keys' pen is
    let down = false;
    const line = (from, to) => {
        pen.strokeStyle = "#fff";
        pen.lineWidth = canvas.width * PEN;
        pen.lineCap = pen.lineJoin = "round";
        pen.beginPath();
        pen.moveTo(...from);
        pen.lineTo(...to);
        pen.stroke();
    };
    const place = ({ clientX, clientY }) => {
        const box = canvas.getBoundingClientRect();
        return [(clientX - box.left) * canvas.width / box.width, (clientY - box.top) * canvas.height / box.height];
    };
    canvas.addEventListener("pointerdown", (event) => {
        canvas.setPointerCapture(event.pointerId);
        begin();
        at = place(event);
        line(at, at);
    });
    canvas.addEventListener("pointermove", (event) => {
        if (at) {
            const to = place(event);
            line(at, to);
            at = to;
            run(false);
        }
    });
    for (const end of ["pointerup", "pointercancel"]) {
        canvas.addEventListener(end, () => {
            if (at) {
                at = null;
                run();
            }
        });
    }
    canvas.addEventListener("keydown", (event) => {
        const step = canvas.width / 32;
        const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
        const move = moves[event.key];
        keys ??= [canvas.width / 2, canvas.height / 4];
        if (event.key === " ") {
            begin();
            down = !down;
            if (down) {
                line(keys, keys);
            }
        } else if (move) {
            const to = keys.map((value, k) => Math.min(canvas.width, Math.max(0, value + step * move[k])));
            if (down) {
                line(keys, to);
            }
            keys = to;
        } else {
            return;
        }
        event.preventDefault();
        if (down) {
            run();
        }
    });
}

const whole = (canvas) => [0, 0, canvas.width, canvas.height];

/** The box around what was drawn, in the model's proportions; small pictures are filled by it. */
function inkBox(pen, canvas, width, height) {
    const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
    let [left, top, right, bottom] = [canvas.width, canvas.height, 0, 0];
    for (let y = 0; y < canvas.height; y++) {
        for (let x = 0; x < canvas.width; x++) {
            if (data[4 * (y * canvas.width + x)] > 60) {
                left = Math.min(left, x);
                right = Math.max(right, x + 1);
                top = Math.min(top, y);
                bottom = Math.max(bottom, y + 1);
            }
        }
    }
    if (right <= left) {
        return whole(canvas);
    }
    // Scanned digits fill 8 rows of 8, and 20 of 28.
    const margin = height > 16 ? 1.4 : 1;
    const tall = margin * Math.max(bottom - top, (right - left) * height / width);
    const wide = tall * width / height;
    return [(left + right - wide) / 2, (top + bottom - tall) / 2, wide, tall];
}

/** The mean of each pixel's part of a box; what lies beyond the picture is black. */
function averaged(image, [left, top, wide, tall], width, height) {
    const sums = new Float32Array(3 * width * height);
    const per = Math.max(4, Math.ceil(Math.max(wide / width, tall / height))); // points each way
    for (let y = 0; y < height * per; y++) {
        const from = Math.floor(top + (y + 0.5) * tall / (height * per));
        for (let x = 0; x < width * per; x++) {
            const column = Math.floor(left + (x + 0.5) * wide / (width * per));
            if (from < 0 || from >= image.height || column < 0 || column >= image.width) {
                continue;
            }
            const to = 3 * (Math.floor(y / per) * width + Math.floor(x / per));
            const at = 4 * (from * image.width + column);
            for (let c = 0; c < 3; c++) {
                sums[to + c] += image.data[at + c] / (per * per);
            }
        }
    }
    return sums;
}

function showSeen(seen, rgb) {
    const context = seen.getContext("2d");
    const image = context.createImageData(seen.width, seen.height);
    for (let k = 0; k < seen.width * seen.height; k++) {
        image.data.set([rgb[3 * k], rgb[3 * k + 1], rgb[3 * k + 2], 255], 4 * k);
    }
    context.putImageData(image, 0, 0);
}
