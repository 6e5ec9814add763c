// The story of the run: the weights as they were after each epoch, played, with the curves below.
"use strict";

const Story = (() => {
  const { element } = Paint;
  const WIDTH = 300, HEIGHT = 130, LEFT = 30, BOTTOM = 18, BEAT = 900; // milliseconds an epoch

  /** Puts the player into `place`; use(weights or null) is called with each epoch's, null is the best. */
  function make(place, story, use) {
    const last = story.epochs.length - 1;
    const slider = element("input", { type: "range", id: "epoch", min: "0", max: String(last), value: String(last), class: "grow", "aria-label": "epoch" });
    const play = element("button", { type: "button", id: "play" }, "▶ Play");
    const back = element("button", { type: "button", id: "best", onclick: () => leave() }, "Best");
    const said = element("p", { class: "soft", id: "figures", "aria-live": "polite" });
    const drawing = curves(story);
    place.append(element("div", { class: "row" }, play, slider, back), said, drawing.node);
    let timer = null;

    function show(k) {
      slider.value = k;
      const epoch = story.epochs[k], figures = story.history.find((h) => h.epoch === epoch);
      said.textContent = epoch === 0 ? "before training: random weights" : sentence(epoch, figures);
      drawing.mark(epoch);
      use(Data.halves(`epoch-${k}`));
    }

    function stop() {
      clearInterval(timer);
      timer = null;
      play.textContent = "▶ Play";
    }

    function leave() {
      stop();
      said.textContent = "the weights of the best epoch";
      drawing.mark(null);
      use(null);
    }

    slider.addEventListener("input", () => {
      stop();
      show(Number(slider.value));
    });
    play.addEventListener("click", () => {
      if (timer !== null) {
        stop();
        return;
      }
      play.textContent = "❚❚ Pause";
      let k = Number(slider.value) >= last ? 0 : Number(slider.value);
      show(k);
      timer = setInterval(() => {
        k += 1;
        if (k > last) stop();
        else show(k);
      }, BEAT);
    });
    leave();
  }

  function sentence(epoch, figures) {
    if (!figures) return `epoch ${epoch}`;
    const part = (name, unit) => (figures[name] === null ? "–" : `${figures[name].toFixed(unit ? 2 : 4)}${unit}`);
    return `epoch ${epoch}: training loss ${part("train_loss", "")}, accuracy ${part("train_accuracy", " %")}, ` +
      `validation loss ${part("val_loss", "")}, accuracy ${part("val_accuracy", " %")}`;
  }

  /** Losses by epoch as SVG. */
  function curves({ history, epochs }) {
    const svg = (tag, attributes, text = "") => {
      const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
      for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
      node.textContent = text;
      return node;
    };
    const node = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": "training and validation loss by epoch" });
    const values = history.flatMap((h) => [h.train_loss, h.val_loss]).filter((v) => v !== null);
    const most = Math.max(...values, 1e-9), end = Math.max(...epochs, ...history.map((h) => h.epoch), 1);
    const x = (epoch) => LEFT + ((WIDTH - LEFT - 8) * epoch) / end;
    const y = (v) => 8 + (HEIGHT - BOTTOM - 8) * (1 - v / most);
    for (const share of [0, 0.5, 1]) {
      node.append(svg("line", { x1: LEFT, x2: WIDTH - 8, y1: y(share * most), y2: y(share * most), stroke: "var(--line)" }));
      node.append(svg("text", { x: LEFT - 4, y: y(share * most) + 3, "text-anchor": "end" }, (share * most).toPrecision(2)));
    }
    [["train_loss", "var(--bar)", "training loss"], ["val_loss", "var(--other)", "validation loss"]].forEach(([name, colour, text], k) => {
      const points = history.filter((h) => h[name] !== null).map((h) => `${x(h.epoch)},${y(h[name])}`);
      node.append(svg("polyline", { class: "curve", points: points.join(" "), stroke: colour }));
      node.append(svg("text", { x: WIDTH - 10, y: 18 + 13 * k, "text-anchor": "end", style: `fill: ${colour}` }, text));
    });
    node.append(svg("text", { x: x(end), y: HEIGHT - 4, "text-anchor": "end" }, `epoch ${end}`));
    const line = svg("line", { y1: 4, y2: HEIGHT - BOTTOM, stroke: "var(--text)", "stroke-dasharray": "3 3" });
    node.append(line);
    return {
      node,
      mark(epoch) {
        line.setAttribute("visibility", epoch === null ? "hidden" : "visible");
        if (epoch !== null) for (const name of ["x1", "x2"]) line.setAttribute(name, x(epoch));
      },
    };
  }

  return { make };
})();
