// Why a unit has its value: the sum that it made, term by term, and the pixels that it looked at.
"use strict";

const Terms = (() => {
  const F = typeof module !== "undefined" ? require("./forward.js") : Forward;

  /** Channel, row and column of a place in a value; rows and columns are 0 where there are none. */
  function placeOf(shape, unit) {
    if (shape.length < 4) return { channel: unit, row: 0, column: 0 };
    const [, , h, w] = shape;
    return { channel: Math.floor(unit / (h * w)), row: Math.floor(unit / w) % h, column: unit % w };
  }

  /**
   * What a unit's value is made of.
   *
   * { value, kind, start, groups }: kind is "sum" (start + all terms), "max" (the largest term),
   * "function" (an activation of its one term), "norm" or "copy". A group is { name, h, w, terms },
   * terms in row-major order where it has h and w; a term is { x, weight, product, layer, unit },
   * weight null where there is none, layer and unit where x is, -1 is the picture.
   */
  function of(net, values, picture, k, unit) {
    const layer = net.layers[k], make = MAKERS[layer.op] || MAKERS.other;
    const xs = layer.from.map((from) => (from < 0 ? picture : values[from]));
    const given = layer.from.map((_, i) => F.shapeFrom(net, layer, i));
    const weights = layer.weights.map((w) => net.tensors[w]);
    const term = (at, weight = null, i = 0) => {
      const x = xs[i][at];
      return { x, weight, product: weight === null ? x : x * weight, layer: layer.from[i], unit: at };
    };
    const found = make({ layer, xs, given, weights, unit, term, place: placeOf(layer.shape, unit) });
    return { start: null, ...found, value: values[k][unit] };
  }

  /** The windows' pixels of one map, with weights; those beyond the edge are null. */
  function windowOf(layer, [, , h, w], channel, row, column, weightAt, term) {
    const [kh, kw] = layer.kernel, terms = [];
    for (let u = 0; u < kh; u++)
      for (let v = 0; v < kw; v++) {
        const r = row * layer.stride[0] - layer.padding[0][0] + u * layer.dilation[0];
        const c = column * layer.stride[1] - layer.padding[1][0] + v * layer.dilation[1];
        const isInside = r >= 0 && r < h && c >= 0 && c < w;
        terms.push(isInside ? term((channel * h + r) * w + c, weightAt(u, v)) : null);
      }
    return { name: `map ${channel + 1}`, h: kh, w: kw, terms };
  }

  function conv2d({ layer, given: [shape], weights: [weight, bias], term, place }) {
    const inGroup = shape[1] / layer.groups, outGroup = layer.shape[1] / layer.groups;
    const first = Math.floor(place.channel / outGroup) * inGroup, [kh, kw] = layer.kernel;
    const groups = Array.from({ length: inGroup }, (_, c) => {
      const at = (u, v) => weight[((place.channel * inGroup + c) * kh + u) * kw + v];
      return windowOf(layer, shape, first + c, place.row, place.column, at, term);
    });
    return { kind: "sum", start: bias === undefined ? null : bias[place.channel], groups };
  }

  function linear({ xs: [x], weights: [weight, bias], unit, term, layer }) {
    const outs = layer.shape[layer.shape.length - 1], ins = (x.length / F.size(layer.shape)) * outs;
    const o = unit % outs, row = Math.floor(unit / outs) * ins;
    const terms = Array.from({ length: ins }, (_, i) => term(row + i, weight[o * ins + i]));
    return { kind: "sum", start: bias === undefined ? null : bias[o], groups: [{ name: "inputs", terms }] };
  }

  function avgPool2d({ layer, given: [shape], term, place }) {
    const share = 1 / F.divisors(layer, shape)(place.row, place.column);
    const group = windowOf(layer, shape, place.channel, place.row, place.column, () => share, term);
    return { kind: "sum", groups: [group] };
  }

  function maxPool2d({ layer, given: [shape], term, place }) {
    const group = windowOf(layer, shape, place.channel, place.row, place.column, () => null, term);
    return { kind: "max", groups: [group] };
  }

  /** One window of an adaptive pool, or of a mean over whole maps. */
  const bin = (kind) => ({ layer, given: [shape], unit, term }) => {
    const [, , h, w] = shape, [oh, ow] = layer.shape.length === 4 ? layer.shape.slice(2) : [1, 1];
    const whole = { shape: [1, shape[1], oh, ow] }, found = { name: "window", terms: [] };
    F.eachBin(whole, shape, (at, plane, rows, columns) => {
      if (at !== unit) return;
      found.name = `map ${plane / (h * w) + 1}`;
      [found.h, found.w] = [rows.length, columns.length];
      const share = kind === "max" ? null : 1 / (rows.length * columns.length);
      for (const r of rows) for (const c of columns) found.terms.push(term(plane + r * w + c, share));
    });
    return { kind, groups: [found] };
  };

  function batchNorm({ layer, weights: [weight, bias, mean, variance], unit, term, place }) {
    const c = place.channel, factor = weight[c] / Math.sqrt(variance[c] + layer.eps);
    const groups = [{ name: `value - mean ${mean[c].toPrecision(3)}`, terms: [term(unit, factor)] }];
    return { kind: "sum", start: bias[c] - mean[c] * factor, groups };
  }

  const MAKERS = {
    conv2d,
    linear,
    avg_pool2d: avgPool2d,
    max_pool2d: maxPool2d,
    adaptive_avg_pool2d: bin("sum"),
    adaptive_max_pool2d: bin("max"),
    batch_norm: batchNorm,
    mean: (all) =>
      all.given[0].length === 4 && String(all.layer.axes) === "2,3" ? bin("sum")(all) : MAKERS.other(all),
    other: ({ layer, given, unit, term }) => {
      if (layer.op === "add") {
        const terms = given.map((shape, i) => term(F.broadcast(layer.shape, shape)(unit), null, i));
        return { kind: "sum", groups: [{ name: "both", terms }] };
      }
      if (layer.op in F.ACTIVATIONS) return { kind: "function", groups: [{ name: "value", terms: [term(unit)] }] };
      if (layer.strides !== undefined) {
        const terms = [term(F.sources(layer)(unit))];
        return { kind: "copy", groups: [{ name: "value", terms }] };
      }
      return { kind: layer.op, groups: [] };
    },
  };

  // ---- where a unit looks ----------------------------------------------------------------------

  const union = (a, b) => a && {
    top: Math.min(a.top, b.top),
    left: Math.min(a.left, b.left),
    bottom: Math.max(a.bottom, b.bottom),
    right: Math.max(a.right, b.right),
  };

  /** Rows and columns of the picture that a unit can see: { top, left, bottom, right }, all in. */
  function field(net, k, unit) {
    const seen = new Map(), start = placeOf(net.layers[k].shape, unit);
    const own = { top: start.row, left: start.column, bottom: start.row, right: start.column };
    seen.set(k, own);
    for (let j = k; j >= 0; j--) {
      if (!seen.has(j)) continue;
      net.layers[j].from.forEach((from, i) => {
        const shape = F.shapeFrom(net, net.layers[j], i);
        const box = clipped(before(net.layers[j], shape, seen.get(j)), shape);
        seen.set(from, seen.has(from) ? union(seen.get(from), box) : box);
      });
    }
    return seen.get(-1) || own;
  }

  /** The part of what a layer is given that a part of its result follows from. */
  function before(layer, shape, box) {
    const everything = { top: 0, left: 0, bottom: Infinity, right: Infinity };
    if (shape.length < 3 || layer.shape.length < 3) return everything;
    if (layer.kernel) {
      const axis = (a, first, last) => {
        const at = (i) => i * layer.stride[a] - layer.padding[a][0];
        return [at(first), at(last) + (layer.kernel[a] - 1) * layer.dilation[a]];
      };
      const [top, bottom] = axis(0, box.top, box.bottom), [left, right] = axis(1, box.left, box.right);
      return { top, left, bottom, right };
    }
    if (layer.op.startsWith("adaptive")) {
      const [h, w] = shape.slice(-2), [oh, ow] = layer.shape.slice(-2);
      const rows = F.bins(h, oh), columns = F.bins(w, ow);
      const right = Math.max(...columns[box.right]), bottom = Math.max(...rows[box.bottom]);
      return { top: rows[box.top][0], left: columns[box.left][0], bottom, right };
    }
    if (layer.op === "pad") {
      const [[rows], [columns]] = layer.widths.slice(-2);
      return { top: box.top - rows, left: box.left - columns, bottom: box.bottom - rows, right: box.right - columns };
    }
    if (layer.strides) return moved(layer, shape, box);
    if (layer.op === "linear" || layer.op.endsWith("softmax") || layer.axes || layer.groups) return everything;
    return box;
  }

  /** Through a slice or another view: where its corners come from. */
  function moved(layer, shape, box) {
    const w = layer.shape[layer.shape.length - 1], source = F.sources(layer);
    const [ih, iw] = shape.slice(-2);
    const corner = (r, c) => {
      const at = source(r * w + c), row = Math.floor(at / iw) % ih, column = at % iw;
      return { top: row, left: column, bottom: row, right: column };
    };
    return union(corner(box.top, box.left), corner(box.bottom, box.right));
  }

  function clipped(box, shape) {
    const [h, w] = shape.length < 3 ? [1, 1] : shape.slice(-2);
    return {
      top: Math.max(box.top, 0),
      left: Math.max(box.left, 0),
      bottom: Math.min(box.bottom, h - 1),
      right: Math.min(box.right, w - 1),
    };
  }

  return { of, field, placeOf };
})();

if (typeof module !== "undefined") module.exports = Terms;
