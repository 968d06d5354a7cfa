// Pictures by pointer and keyboard: what a part says when the pointer rests on it, below the picture.
for (const figure of document.querySelectorAll("figure.parts")) {
    const line = figure.querySelector(".part");
    const show = ({ target }) => {
        const part = target.closest("g");
        if (part && figure.contains(part)) {
            line.textContent = part.querySelector("title").textContent;
        }
    };
    for (const event of ["click", "focusin", "pointerover"]) {
        figure.addEventListener(event, show);
    }
}
