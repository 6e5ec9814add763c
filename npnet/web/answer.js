// What the networks say: a sentence for everybody, bars for the eye; and what they are given, with
// what matters in it: the slope of the answer by each pixel, and a patch to cover parts by hand.
"use strict";

const Answer = (() => {
  const { element } = Paint;
  const MOST = 12; // classes with a bar: of more, the likeliest
  const PATCH = 5; // pixels of the side of the patch, of 28 or 32

  const percent = (share) => `${(100 * share).toFixed(1)}\u00a0%`;

  /** The number of the largest. */
  const best = (shares) => shares.reduce((at, v, k) => (v > shares[at] ? k : at), 0);

  /** Bars of all networks in `place`; `said` is the sentence. */
  function make(place, said, shown) {
    const { classes } = shown[0].facts;
    let ahead = 0;

    function bars() {
      const shares = shown.map((s) => s.probabilities);
      const order = classes.map((_, k) => k);
      if (classes.length > MOST) order.sort((a, b) => shares[0][b] - shares[0][a]).splice(MOST);
      const top = best(shares[0]), node = element("div", { class: "bars" });
      for (const k of order) {
        const tracks = element("div", {}, ...shares.map((s, n) => {
          const fill = element("div", { class: "fill" });
          fill.style.width = `${100 * s[k]}%`;
          return element("div", { class: n ? "track second" : "track" }, fill);
        }));
        node.append(
          element("span", { class: k === top ? "name best" : "name", title: classes[k] }, classes[k]),
          tracks,
          element("span", { class: k === top ? "share best" : "share" }, ...shares.map((s) => element("div", {}, percent(s[k])))),
        );
      }
      return node;
    }

    function sentence(note) {
      const parts = shown.map((s) => {
        const k = best(s.probabilities);
        return [s.name, classes[k], percent(s.probabilities[k])];
      });
      const nodes = parts.flatMap(([name, label, share], n) => [
        ...(shown.length > 1 ? [n ? "; " : "", `${name}: `] : []),
        element("strong", {}, label), ` ${share}`,
      ]);
      said.replaceChildren(...nodes, note ? element("span", { class: "soft" }, ` ${note}`) : "");
    }

    return {
      /** Shows what the networks say; while one draws, those who listen are told at the end. */
      show(note = "") {
        place.replaceChildren(bars());
        clearTimeout(ahead);
        said.setAttribute("aria-busy", "true");
        sentence(note);
        ahead = setTimeout(() => said.setAttribute("aria-busy", "false"), 500);
      },
      /** Shows that there is nothing to say. */
      empty(text) {
        clearTimeout(ahead);
        said.setAttribute("aria-busy", "false");
        said.replaceChildren(text);
        place.replaceChildren();
      },
    };
  }

  // ---- what they are given ---------------------------------------------------------------------

  /** Pictures, slopes and the patch of all networks in `place`. */
  function seen(place, shown, covered) {
    const mode = element("div", { class: "row", role: "group", "aria-label": "What to show of the picture" });
    const figures = element("div", { class: "seen" });
    const note = element("p", { class: "soft", id: "cover", "aria-live": "polite" });
    let how = "picture", patch = null;
    const buttons = [["picture", "Picture"], ["slope", "What matters"], ["cover", "Cover a part"]].map(([name, text]) =>
      element("button", { type: "button", "data-mode": name, "aria-pressed": String(name === how), onclick: () => choose(name) }, text));
    mode.append(...buttons);
    place.append(figures, note, mode);

    function choose(name) {
      how = name;
      for (const b of buttons) b.setAttribute("aria-pressed", String(b.dataset.mode === name));
      patch = name === "cover" ? patch || { row: 12, column: 12 } : null;
      covered(patch && pixelsOf(patch));
    }

    const pixelsOf = ({ row, column }) => ({ top: row, left: column, bottom: row + PATCH - 1, right: column + PATCH - 1 });

    function move(canvas, row, column) {
      const [, , h, w] = shown[0].net.shape;
      const within = (v, n) => Math.max(0, Math.min(n - PATCH, v));
      patch = { row: within(row, h), column: within(column, w) };
      covered(pixelsOf(patch));
    }

    function listen(canvas, h, w) {
      canvas.addEventListener("pointermove", (event) => {
        if (how !== "cover" || (event.pointerType !== "mouse" && !event.buttons)) return;
        const box = canvas.getBoundingClientRect();
        move(canvas, Math.round(((event.clientY - box.top) / box.height) * h - PATCH / 2),
          Math.round(((event.clientX - box.left) / box.width) * w - PATCH / 2));
      });
      canvas.addEventListener("keydown", (event) => {
        const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
        if (how !== "cover" || !(event.key in steps)) return;
        event.preventDefault();
        move(canvas, patch.row + steps[event.key][0], patch.column + steps[event.key][1]);
      });
    }

    const parts = shown.map(({ net, name }, n) => {
      const canvas = element("canvas", { tabindex: "0", role: "img", class: "given", "data-net": n,
        "aria-label": "The picture as the network gets it. While a part is covered, arrow keys move the patch." });
      const [, , h, w] = net.shape;
      listen(canvas, h, w);
      figures.append(element("figure", {}, canvas, element("figcaption", {}, shown.length > 1 ? name : "")));
      return canvas;
    });

    return {
      /** Paints what each network was given. `before` are its probabilities without the patch. */
      show(before) {
        note.textContent = TEXTS[how];
        parts.forEach((canvas, n) => {
          const { net, picture, facts, values, probabilities } = shown[n], [, channels, h, w] = net.shape;
          const zoom = Math.max(1, Math.floor(140 / Math.max(h, w)));
          const context = Paint.picture(canvas, Inspector.asSeen(picture, facts), channels, h, w, zoom);
          const k = best(before || probabilities);
          if (how === "slope") {
            const gradient = Backward.ofUnit(net, values, picture, net.output, k);
            context.globalAlpha = 0.82;
            const slopes = Inspector.overChannels(gradient, channels);
            context.drawImage(Paint.strip(slopes, 1, h, w, Paint.most(slopes)), 0, 0, w * zoom, h * zoom);
            context.globalAlpha = 1;
          }
          if (patch !== null && before) {
            context.strokeStyle = "#ff9d3c";
            context.lineWidth = 2;
            context.strokeRect(patch.column * zoom, patch.row * zoom, PATCH * zoom, PATCH * zoom);
            if (n === 0)
              note.textContent = `${facts.classes[k]}: ${percent(before[k])} without the patch, ${percent(probabilities[k])} with it`;
          }
        });
      },
      get patch() {
        return patch && pixelsOf(patch);
      },
    };
  }

  const TEXTS = {
    picture: "",
    slope: "Orange pixels: brighter would raise the answer; blue ones: it would lower it. It is the gradient of its logit, by a backward pass.",
    cover: "Move the patch over the picture.",
  };

  return { make, seen, best, percent };
})();
