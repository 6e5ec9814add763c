// One unit: the sum that it made, term by term, and the pixels that it looked at.
"use strict";

const Inspector = (() => {
  const { element, number } = Paint;
  const FEW = 6; // groups that are shown as tiles, those of the largest share first
  const ROWS = 60; // terms in the table

  /** Where a unit is, in words; counted from 1. */
  function placeText(shape, unit) {
    const { channel, row, column } = Terms.placeOf(shape, unit);
    if (shape.length < 4) return `value ${channel + 1}`;
    return shape[2] * shape[3] > 1 ? `map ${channel + 1}, row ${row + 1}, column ${column + 1}` : `map ${channel + 1}`;
  }

  /** Puts what there is to say of a unit into `place`. `shown` is { net, values, picture, facts }. */
  function show(place, shown, k, unit) {
    const { net, values, picture } = shown, layer = net.layers[k];
    const why = Terms.of(net, values, picture, k, unit);
    place.replaceChildren(
      element("p", { class: "soft" }, `${Layers.titleOf(layer)} · ${placeText(layer.shape, unit)}`),
      sentence(layer, why),
      looked(shown, k, unit),
      ...(why.groups.some((group) => group.h) ? [tiles(why)] : []),
      table(net, why),
    );
  }

  /** What it did, as an equation. */
  function sentence(layer, why) {
    const node = element("p", { class: "sum", id: "sum" }), result = element("b", {}, number(why.value));
    const terms = why.groups.flatMap((group) => group.terms).filter(Boolean);
    const name = Layers.nameOf(layer);
    if (why.kind === "sum" && layer.op === "add") node.append(`${terms.map((t) => number(t.x)).join(" + ")} = `, result);
    else if (why.kind === "sum") {
      const total = terms.reduce((sum, t) => sum + t.product, 0);
      const what = terms.length > 1 ? `${terms.length} terms add up to ` : `${number(terms[0].x)} × ${number(terms[0].weight)} = `;
      node.append(`${what}${number(total)}`);
      if (why.start !== null) node.append(`, and with the bias ${number(why.start)} to`);
      else if (terms.length > 1) node.append(":");
      if (terms.length > 1 || why.start !== null) node.append(" ", result);
    } else if (why.kind === "max") node.append(`largest of ${terms.length} values = `, result);
    else if (why.kind === "function") node.append(`${name}(${number(terms[0].x)}) = `, result);
    else if (why.kind === "copy") node.append("taken over as it is: ", result);
    else node.append(`${name}: `, result, ", of all values beside it");
    return node;
  }

  // ---- where it looked -------------------------------------------------------------------------

  function looked(shown, k, unit) {
    const { net, values, picture, facts } = shown, [, channels, h, w] = net.shape;
    const box = Terms.field(net, k, unit), zoom = Math.max(1, Math.floor(128 / Math.max(h, w)));
    const first = element("canvas", { role: "img", "aria-label": "picture with the part that the unit sees" });
    const context = Paint.picture(first, asSeen(picture, facts), channels, h, w, zoom);
    context.strokeStyle = "#ff9d3c";
    context.lineWidth = 2;
    context.strokeRect(box.left * zoom + 1, box.top * zoom + 1,
      (box.right - box.left + 1) * zoom - 2, (box.bottom - box.top + 1) * zoom - 2);
    const second = element("canvas", { role: "img", "aria-label": "slope of the unit by each pixel" });
    const gradient = Backward.ofUnit(net, values, picture, k, unit);
    Paint.map(second, overChannels(gradient, channels), h, w, zoom);
    const [rows, columns] = [box.bottom - box.top + 1, box.right - box.left + 1];
    return element("div", { class: "where" },
      element("figure", {}, first, element("figcaption", {}, `it sees ${rows} × ${columns} pixels`)),
      element("figure", {}, second, element("figcaption", {}, "which would raise or lower it")));
  }

  /** A picture as numbers from 0 to 1, as it was before it was standardised. */
  function asSeen(picture, { mean, std }) {
    const size = picture.length / mean.length;
    return picture.map((v, at) => {
      const c = Math.floor(at / size);
      return Math.min(1, Math.max(0, v * std[c] + mean[c]));
    });
  }

  /** Of each pixel the value of largest size over the channels. */
  function overChannels(values, channels) {
    const size = values.length / channels;
    return Float32Array.from({ length: size }, (_, at) => {
      let most = 0;
      for (let c = 0; c < channels; c++) if (Math.abs(values[c * size + at]) > Math.abs(most)) most = values[c * size + at];
      return most;
    });
  }

  // ---- terms -----------------------------------------------------------------------------------

  const share = (group) => group.terms.reduce((sum, t) => sum + (t ? t.product : 0), 0);

  /** Windows of values, filters and products, beside each other. */
  function tiles(why) {
    const groups = [...why.groups].sort((a, b) => Math.abs(share(b)) - Math.abs(share(a)));
    const scale = (f) => Math.max(...why.groups.map((g) => Paint.most(g.terms.map((t) => (t ? f(t) : 0)))));
    const scales = [scale((t) => t.x), scale((t) => t.weight || 0), scale((t) => t.product)];
    const node = element("div", { class: "groups" });
    for (const group of groups.slice(0, FEW)) {
      const zoom = Math.max(2, Math.min(14, Math.floor(56 / Math.max(group.h, group.w))));
      const tile = (f, k) => {
        const canvas = element("canvas", { "aria-hidden": "true" });
        Paint.map(canvas, group.terms.map((t) => (t ? f(t) : 0)), group.h, group.w, zoom, scales[k]);
        return canvas;
      };
      const row = element("div", { class: "group" }, element("span", {}, group.name), tile((t) => t.x, 0));
      if (why.kind === "sum") {
        row.append("×", tile((t) => t.weight, 1), "=", tile((t) => t.product, 2));
        row.append(element("span", { class: "total" }, `Σ ${number(share(group))}`));
      }
      node.append(row);
    }
    if (groups.length > FEW)
      node.append(element("span", { class: "soft" }, `and ${groups.length - FEW} maps of smaller share`));
    return node;
  }

  /** All terms, those of the largest share first. */
  function table(net, why) {
    const terms = why.groups.flatMap((g) => g.terms).filter(Boolean);
    if (!terms.length || (terms.length === 1 && why.kind !== "sum")) return element("span");
    const sorted = [...terms].sort((a, b) => Math.abs(b.product) - Math.abs(a.product)).slice(0, ROWS);
    const hasWeights = terms[0].weight !== null;
    const head = ["from", "value", ...(hasWeights ? ["× weight", "= term"] : [])];
    const row = (t) => {
      const shape = t.layer < 0 ? net.shape : net.layers[t.layer].shape;
      const cells = [placeText(shape, t.unit), number(t.x), ...(hasWeights ? [number(t.weight), number(t.product)] : [])];
      return element("tr", {}, ...cells.map((text) => element("td", {}, text)));
    };
    const rest = terms.length - sorted.length;
    return element("details", { open: terms.length <= 4 },
      element("summary", {}, terms.length === 1 ? "its term" : `its ${terms.length} terms, the largest first`),
      element("div", { class: "scroll", tabindex: "0" },
        element("table", {},
          element("thead", {}, element("tr", {}, ...head.map((text) => element("th", { scope: "col" }, text)))),
          element("tbody", {}, ...sorted.map(row))),
        rest ? element("p", { class: "soft" }, `and ${rest} smaller ones`) : null));
  }

  return { show, placeText, asSeen, overChannels };
})();
