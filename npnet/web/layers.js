// The maps of every layer, a card for each: painted when it is on the screen, and touched by mouse,
// finger or arrow keys.
"use strict";

const Layers = (() => {
  const { element, number } = Paint;
  const CELL = 15; // pixels of a value that is no map
  const MAP = 66; // of a map's longer side, about
  const GAP = 5;
  const MOST = 128; // maps that are shown at once
  const FOLDED = ["reshape", "slice", "permute", "expand", "flip", "identity", "pad"];
  const MAIN = ["conv2d", "linear"];
  const NAMES = {
    conv2d: "convolution", linear: "fully connected", batch_norm: "batch norm", max_pool2d: "max pool",
    avg_pool2d: "average pool", adaptive_avg_pool2d: "average pool", adaptive_max_pool2d: "max pool",
    relu: "ReLU", add: "sum of two", cat: "joined", leaky_relu: "leaky ReLU", gelu: "GELU", silu: "SiLU",
    hardtanh: "clamp", log_softmax: "log-softmax",
  };

  const nameOf = (layer) => NAMES[layer.op] || layer.op.replace(/_/g, " ");

  /** How many maps of which size: vectors are maps of one value. */
  function format(shape) {
    if (shape.length >= 4) {
      const [h, w] = shape.slice(-2);
      return { count: shape.slice(0, -2).reduce((a, b) => a * b, 1), h, w };
    }
    return { count: shape.reduce((a, b) => a * b, 1), h: 1, w: 1 };
  }

  function about(net, layer) {
    const { count, h, w } = format(layer.shape), isMaps = h * w > 1;
    const window = layer.kernel ? ` ${layer.kernel.join(" × ")}` : "";
    const stride = layer.kernel && layer.op === "conv2d" && layer.stride[0] > 1 ? `, stride ${layer.stride[0]}` : "";
    const result = isMaps ? `${count} ${count > 1 ? "maps" : "map"} of ${h} × ${w}` : `${count} values`;
    const weights = layer.weights.reduce((sum, k) => sum + net.tensors[k].length, 0);
    return `${nameOf(layer)}${window}${stride} → ${result}` + (weights ? ` · ${weights.toLocaleString("en")} weights` : "");
  }

  /** A title that says where it is: the module's path, or what it does. */
  const titleOf = (layer) => layer.path || nameOf(layer);

  /** What is to be seen: "all", "activations" or "main". */
  function isShown(net, k, which) {
    const { op } = net.layers[k];
    if (op === "constant") return false;
    if (which === "all" || k === net.output) return true;
    if (which === "main") return MAIN.includes(op);
    return op in Forward.ACTIVATIONS || op.includes("pool");
  }

  /**
   * Puts the cards into `place`. `shown` are the networks, { net, name }; selected(n, layer, unit)
   * is called when a unit of the nth is touched.
   */
  function make(place, shown, selected) {
    const alike = shown.length === 2 && sameLayers(shown[0].net, shown[1].net);
    const cards = [];
    let marks = new Map(); // card's key -> what is outlined in it
    const visible = new IntersectionObserver((entries) => {
      for (const entry of entries) {
        const card = cards.find((c) => c.node === entry.target);
        card.isSeen = entry.isIntersecting;
        if (card.isSeen && card.isOld) paintCard(card);
      }
    }, { rootMargin: "200px" });

    function build(which) {
      visible.disconnect();
      cards.length = 0;
      place.replaceChildren();
      const groups = alike ? [[0, 1]] : shown.map((_, n) => [n]);
      for (const group of groups) {
        if (groups.length > 1) place.append(element("h3", { class: "row" }, shown[group[0]].name));
        shown[group[0]].net.layers.forEach((_, k) => {
          if (isShown(shown[group[0]].net, k, which)) cards.push(cardOf(k, group));
        });
      }
      for (const card of cards) {
        place.append(card.node);
        visible.observe(card.node);
      }
      arrange();
    }

    /** Gives all canvases their size, also those that are not painted yet, so that nothing jumps. */
    function arrange() {
      const panes = cards.flatMap((card) => card.panes);
      const widths = panes.map((pane) => pane.canvas.parentElement.clientWidth);
      panes.forEach((pane, i) => {
        pane.layout = layoutOf(pane, widths[i]);
        [pane.canvas.style.width, pane.canvas.style.height] = [`${pane.layout.width}px`, `${pane.layout.height}px`];
      });
    }

    /** How the maps of a pane lie on so many pixels of width. */
    function layoutOf(pane, available) {
      const { count, h, w } = format(shown[pane.n].net.layers[pane.card.k].shape), isMaps = h * w > 1;
      const zoom = isMaps ? Math.max(1, Math.min(11, Math.floor(MAP / Math.max(h, w)))) : CELL;
      const gap = isMaps ? GAP : 1, shownCount = pane.all ? count : MOST;
      const columns = Math.max(1, Math.min(shownCount, Math.floor((available + gap) / (w * zoom + gap))));
      const rows = Math.ceil(shownCount / columns);
      const [width, height] = [columns * (w * zoom + gap) - gap, rows * (h * zoom + gap) - gap];
      return { columns, zoom, gap, shownCount, width, height };
    }

    function cardOf(k, group) {
      const { net } = shown[group[0]], layer = net.layers[k];
      const value = element("span", { class: "value", "aria-hidden": "true" });
      const title = element("h3", {}, titleOf(layer), element("span", { class: "about" }, about(net, layer)));
      const node = element("article", { class: "card layer" }, element("div", { class: "heading" }, title, value));
      const card = { k, node, value, panes: [], isSeen: false, isOld: true };
      if (FOLDED.includes(layer.op)) {
        node.classList.add("thin");
        return card;
      }
      const panes = element("div", { class: "panes" });
      card.panes = group.map((n) => paneOf(card, n, panes, group.length > 1));
      node.append(panes);
      if (layer.op === "conv2d" || layer.op === "linear") node.append(weightsOf(k, group));
      return card;
    }

    function paneOf(card, n, place, isNamed) {
      const layer = shown[n].net.layers[card.k], { count } = format(layer.shape);
      const canvas = element("canvas", {
        tabindex: "0", role: "application", "aria-roledescription": "maps", "data-layer": card.k, "data-net": n,
        "aria-label": `${titleOf(layer)}: ${about(shown[n].net, layer)}. Arrow keys choose a unit.`,
      });
      const pane = { n, canvas, card, all: count <= MOST, unit: 0 };
      const node = element("div", { class: "pane" });
      if (isNamed)
        node.append(element("div", { class: "of" }, element("span", { class: n ? "key second" : "key" }), shown[n].name));
      node.append(canvas);
      if (!pane.all) {
        const more = element("button", { type: "button", onclick: () => {
          pane.all = true;
          more.remove();
          paintCard(card);
        } }, `show all ${count}`);
        node.append(element("div", { class: "row" }, more));
      }
      place.append(node);
      listen(pane);
      return pane;
    }

    // ---- touching ------------------------------------------------------------------------------

    function listen(pane) {
      const { canvas, card } = pane, layer = shown[pane.n].net.layers[card.k];
      const { count, h, w } = format(layer.shape);
      const choose = (unit) => {
        pane.unit = unit;
        tell(pane, unit);
        selected(pane.n, card.k, unit);
      };
      canvas.addEventListener("pointermove", (event) => {
        const unit = unitAt(pane, event);
        if (unit === null) return;
        tell(pane, unit);
        if (event.buttons & 1 && event.pointerType === "mouse") choose(unit);
      });
      canvas.addEventListener("pointerleave", () => (card.value.textContent = ""));
      canvas.addEventListener("click", (event) => {
        const unit = unitAt(pane, event);
        if (unit !== null) choose(unit);
      });
      canvas.addEventListener("keydown", (event) => {
        const across = pane.layout ? pane.layout.columns : 1;
        const steps = h * w > 1
          ? { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -w, ArrowDown: w, PageUp: -h * w, PageDown: h * w }
          : { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across };
        if (event.key !== "Enter" && !(event.key in steps)) return;
        event.preventDefault();
        const next = pane.unit + (steps[event.key] || 0);
        choose(Math.max(0, Math.min(count * h * w - 1, next)));
      });
    }

    function unitAt(pane, event) {
      if (!pane.layout) return null;
      const { columns, zoom, gap, shownCount } = pane.layout;
      const { h, w } = format(shown[pane.n].net.layers[pane.card.k].shape);
      const box = pane.canvas.getBoundingClientRect();
      const x = event.clientX - box.left, y = event.clientY - box.top;
      const column = Math.floor(x / (w * zoom + gap)), row = Math.floor(y / (h * zoom + gap));
      const m = row * columns + column;
      const j = Math.floor((x - column * (w * zoom + gap)) / zoom), i = Math.floor((y - row * (h * zoom + gap)) / zoom);
      if (column < 0 || column >= columns || m < 0 || m >= shownCount || i < 0 || j < 0 || i >= h || j >= w) return null;
      return (m * h + i) * w + j;
    }

    function tell(pane, unit) {
      const { values } = shown[pane.n], layer = shown[pane.n].net.layers[pane.card.k];
      const said = Inspector.placeText(layer.shape, unit);
      pane.card.value.textContent = values ? `${said} = ${number(values[pane.card.k][unit])}` : said;
    }

    // ---- painting ------------------------------------------------------------------------------

    function paintCard(card) {
      card.isOld = false;
      for (const pane of card.panes) paintPane(pane);
    }

    function paintPane(pane) {
      const { net, values } = shown[pane.n], { count, h, w } = format(net.layers[pane.card.k].shape);
      pane.layout = layoutOf(pane, pane.canvas.parentElement.clientWidth);
      const { columns, zoom, gap, shownCount, width, height } = pane.layout;
      const context = Paint.sized(pane.canvas, width, height);
      const own = values ? values[pane.card.k] : new Float32Array(count * h * w);
      const strip = Paint.strip(own, shownCount, h, w, Paint.most(own));
      for (let m = 0; m < shownCount; m++) {
        const x = (m % columns) * (w * zoom + gap), y = Math.floor(m / columns) * (h * zoom + gap);
        context.drawImage(strip, m * w, 0, w, h, x, y, w * zoom, h * zoom);
        outline(context, x, y, w * zoom, h * zoom, "--line", 1);
        const mark = marks.get(`${pane.n} ${pane.card.k}`);
        if (mark && m >= mark.from && m <= mark.to)
          outline(context, x + mark.left * zoom, y + mark.top * zoom,
            (mark.right - mark.left + 1) * zoom, (mark.bottom - mark.top + 1) * zoom, "--mark", 2);
      }
    }

    function outline(context, x, y, width, height, colour, line) {
      context.strokeStyle = getComputedStyle(document.documentElement).getPropertyValue(colour);
      context.lineWidth = line;
      context.strokeRect(x + line / 2, y + line / 2, width - line, height - line);
    }

    function repaint() {
      for (const card of cards) {
        card.isOld = true;
        if (card.isSeen) paintCard(card);
      }
    }

    // ---- weights -------------------------------------------------------------------------------

    function weightsOf(k, group) {
      const layer = shown[group[0]].net.layers[k], [outs, ins] = shown[group[0]].net.shapes[layer.weights[0]];
      const what = layer.op === "conv2d" ? `filters, ${outs} of ${ins} × ${layer.kernel.join(" × ")}` : `weights, ${outs} × ${ins}`;
      const inside = element("div", { class: "panes" });
      const node = element("details", { ontoggle: () => node.open && paintWeights(k, group, inside) },
        element("summary", {}, what), inside);
      node.repaint = () => node.open && paintWeights(k, group, inside);
      if (layer.op === "conv2d" && outs * ins <= 64 && layer.kernel[0] > 1) node.open = true;
      return node;
    }

    /** Filters as tiles, a row for each map that they make (of one channel, all in a row). */
    function paintWeights(k, group, place) {
      place.replaceChildren();
      for (const n of group) {
        const { net } = shown[n], layer = net.layers[k], weight = net.tensors[layer.weights[0]];
        const [outs, ins, kh = 1, kw = 1] = net.shapes[layer.weights[0]];
        const canvas = element("canvas", { role: "img", "aria-label": `weights of ${titleOf(layer)}` });
        const part = element("div", { class: "pane" }, canvas);
        place.append(part);
        const width = part.clientWidth, isTiles = kh * kw > 1, gap = isTiles ? 3 : 0;
        const columns = isTiles && ins === 1 ? Math.min(outs, 16) : ins, rows = Math.ceil((outs * ins) / columns);
        const fits = Math.floor(((width + gap) / columns - gap) / kw);
        const zoom = Math.max(1, Math.min(isTiles ? 9 : 6, fits));
        const context = Paint.sized(canvas, columns * (kw * zoom + gap), Math.min(rows * (kh * zoom + gap), 4000));
        const scale = Paint.most(weight);
        for (let row = 0; row < rows; row++) {
          const line = weight.subarray(row * columns * kh * kw, (row + 1) * columns * kh * kw);
          const count = line.length / (kh * kw), strip = Paint.strip(line, count, kh, kw, scale);
          for (let m = 0; m < count; m++)
            context.drawImage(strip, m * kw, 0, kw, kh, m * (kw * zoom + gap), row * (kh * zoom + gap), kw * zoom, kh * zoom);
        }
      }
    }

    return {
      build,
      repaint,
      arrange,
      /** Outlines parts of maps: [{ n, layer, from, to, top, left, bottom, right }]. */
      mark(list) {
        marks = new Map(list.map((m) => [`${m.n} ${m.layer}`, m]));
        repaint();
      },
      /** Paints the filters that are open again. */
      repaintWeights() {
        for (const card of cards) card.node.querySelector("details")?.repaint();
      },
      alike,
    };
  }

  /** Whether two networks have the same layers, so that they can be shown card by card. */
  function sameLayers(a, b) {
    const kinds = (net) => net.layers.map((l) => `${l.op} ${l.shape}`).join();
    return kinds(a) === kinds(b);
  }

  return { make, format, titleOf, nameOf };
})();
