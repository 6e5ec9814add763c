// The forward pass: a network's layers on one picture, in float32, as npnet computes them.
//
//   const net = Forward.load(graph, weights);   // graph: see graph.py; weights: Float32Array
//   const values = Forward.run(net, picture);   // values[k]: Float32Array, the result of layer k
//
// A value is a Float32Array in row-major order; its shape is that of its layer. Runs in a page and
// in Node; nothing here knows of pages.
"use strict";

const Forward = (() => {
  const size = (shape) => shape.reduce((a, b) => a * b, 1);

  /** Steps in memory between neighbours along each axis. */
  function stridesOf(shape) {
    const strides = new Array(shape.length).fill(1);
    for (let k = shape.length - 2; k >= 0; k--) strides[k] = strides[k + 1] * shape[k + 1];
    return strides;
  }

  /** The network with its tensors as views of `weights`, which may be replaced by others. */
  function load(graph, weights) {
    const tensors = graph.tensors.map((t) => weights.subarray(t.at, t.at + size(t.shape)));
    return { ...graph, tensors, shapes: graph.tensors.map((t) => t.shape) };
  }

  /** The shape of what a layer takes as its `i`th input. */
  const shapeFrom = (net, layer, i = 0) =>
    layer.from[i] < 0 ? net.shape : net.layers[layer.from[i]].shape;

  /** All layers' results for a picture, an array of size C * H * W. */
  function run(net, picture) {
    const values = [];
    for (const layer of net.layers) values.push(apply(net, layer, values, picture));
    return values;
  }

  /** One layer's result. */
  function apply(net, layer, values, picture) {
    const op = OPS[layer.op];
    if (op === undefined) throw new Error(`forward: there is no op ${layer.op}`);
    const xs = layer.from.map((k) => (k < 0 ? picture : values[k]));
    const weights = layer.weights.map((k) => net.tensors[k]);
    const given = layer.from.map((_, i) => shapeFrom(net, layer, i));
    return op(xs, weights, layer, given, layer.weights.map((k) => net.shapes[k]));
  }

  /** Shares of the classes, from logits; of a network that ends in a softmax, what it gives. */
  function probabilities(net, values) {
    const last = values[net.output];
    return net.layers[net.output].op === "softmax" ? last : softmax(last, 1, last.length, 1);
  }

  // ---- windows ---------------------------------------------------------------------------------

  /** The first and last output column, of `count`, whose pixel at this offset is in the image. */
  function inside(offset, stride, length, count) {
    const first = offset >= 0 ? 0 : Math.ceil(-offset / stride);
    const last = Math.min(count - 1, Math.floor((length - 1 - offset) / stride));
    return [first, last];
  }

  // y[o, i, j] = bias[o] + sum over c, u, v of x[c, i*SH - PT + u*DH, j*SW - PL + v*DW] * w[o, c, u, v]
  function conv2d([x], [weight, bias], layer, [[, channels, h, w]]) {
    const [, outs, oh, ow] = layer.shape, y = new Float32Array(outs * oh * ow);
    const inGroup = channels / layer.groups, outGroup = outs / layer.groups, places = taps(layer, h, w);
    const [sh, sw] = layer.stride;
    for (let o = 0; o < outs; o++) {
      const plane = o * oh * ow, first = Math.floor(o / outGroup) * inGroup;
      if (bias !== undefined) y.fill(bias[o], plane, plane + oh * ow);
      for (let c = 0; c < inGroup; c++) {
        const image = (first + c) * h * w, filter = (o * inGroup + c) * places.length;
        for (let t = 0; t < places.length; t++) {
          const { top, left, i0, i1, j0, j1 } = places[t], factor = weight[filter + t];
          for (let i = i0; i <= i1; i++) {
            const from = image + (i * sh + top) * w + left, at = plane + i * ow;
            for (let j = j0; j <= j1; j++) y[at + j] += factor * x[from + j * sw];
          }
        }
      }
    }
    return y;
  }

  /**
   * For each place of a window, row by row, where it lies, and in which windows, i0 to i1 and j0 to
   * j1, it is in the image.
   */
  function taps(layer, h, w) {
    const [, , oh, ow] = layer.shape, [kh, kw] = layer.kernel;
    return Array.from({ length: kh * kw }, (_, t) => {
      const top = Math.floor(t / kw) * layer.dilation[0] - layer.padding[0][0];
      const left = (t % kw) * layer.dilation[1] - layer.padding[1][0];
      const [i0, i1] = inside(top, layer.stride[0], h, oh), [j0, j1] = inside(left, layer.stride[1], w, ow);
      return { top, left, i0, i1, j0, j1 };
    });
  }

  /** Calls visit(result's place, rows and columns of its window that are in the image). */
  function eachWindow(layer, [, channels, h, w], visit) {
    const [, , oh, ow] = layer.shape, [kh, kw] = layer.kernel, [dh, dw] = layer.dilation;
    const rows = spans(oh, layer.stride[0], layer.padding[0][0], kh, dh, h);
    const columns = spans(ow, layer.stride[1], layer.padding[1][0], kw, dw, w);
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < oh; i++)
        for (let j = 0; j < ow; j++) visit((c * oh + i) * ow + j, c * h * w, rows[i], columns[j], i, j);
  }

  /** For each of `count` windows the pixels along one axis that are in the image. */
  function spans(count, stride, padding, kernel, dilation, length) {
    return Array.from({ length: count }, (_, i) => {
      const places = [];
      for (let u = 0; u < kernel; u++) {
        const p = i * stride - padding + u * dilation;
        if (p >= 0 && p < length) places.push(p);
      }
      return places;
    });
  }

  function maxPool2d([x], _, layer, [given]) {
    const y = new Float32Array(size(layer.shape));
    eachWindow(layer, given, (at, plane, rows, columns) => {
      y[at] = x[winner(x, plane, rows, columns, given[3])];
    });
    return y;
  }

  /** The place of the first largest value, in row-major order. */
  function winner(x, plane, rows, columns, w) {
    let best = -1;
    for (const r of rows)
      for (const c of columns) {
        const at = plane + r * w + c;
        if (best < 0 || x[at] > x[best] || Number.isNaN(x[at])) best = at;
      }
    return best;
  }

  function avgPool2d([x], _, layer, [given]) {
    const y = new Float32Array(size(layer.shape)), divisor = divisors(layer, given);
    eachWindow(layer, given, (at, plane, rows, columns, i, j) => {
      let sum = 0;
      for (const r of rows) for (const c of columns) sum += x[plane + r * given[3] + c];
      y[at] = sum / divisor(i, j);
    });
    return y;
  }

  /** How many pixels count in window (i, j): padding if it should, what ceil_mode adds never. */
  function divisors(layer, given) {
    if (layer.divisor !== null) return () => layer.divisor;
    const count = (i, axis) => {
      const [before, after] = layer.count_include_pad ? layer.padding[axis] : [0, 0];
      const first = i * layer.stride[axis] - layer.padding[axis][0];
      const last = Math.min(first + layer.kernel[axis], given[2 + axis] + after);
      return last - Math.max(first, -before);
    };
    return (i, j) => count(i, 0) * count(j, 1);
  }

  /** The pixels of each of `count` bins that cover `length`. */
  const bins = (length, count) =>
    Array.from({ length: count }, (_, i) => {
      const first = Math.floor((i * length) / count), end = Math.ceil(((i + 1) * length) / count);
      return Array.from({ length: end - first }, (_, k) => first + k);
    });

  /** Calls visit(result's place, plane, rows, columns) for each bin of an adaptive pool. */
  function eachBin(layer, [, channels, h, w], visit) {
    const [, , oh, ow] = layer.shape, rows = bins(h, oh), columns = bins(w, ow);
    for (let c = 0; c < channels; c++)
      for (let i = 0; i < oh; i++)
        for (let j = 0; j < ow; j++) visit((c * oh + i) * ow + j, c * h * w, rows[i], columns[j]);
  }

  function adaptiveAvgPool2d([x], _, layer, [given]) {
    const y = new Float32Array(size(layer.shape));
    eachBin(layer, given, (at, plane, rows, columns) => {
      let sum = 0;
      for (const r of rows) for (const c of columns) sum += x[plane + r * given[3] + c];
      y[at] = sum / (rows.length * columns.length);
    });
    return y;
  }

  function adaptiveMaxPool2d([x], _, layer, [given]) {
    const y = new Float32Array(size(layer.shape));
    eachBin(layer, given, (at, plane, rows, columns) => {
      y[at] = x[winner(x, plane, rows, columns, given[3])];
    });
    return y;
  }

  // ---- products and norms ----------------------------------------------------------------------

  // y = x @ weight.T + bias, for each row of x
  function linear([x], [weight, bias], layer, _, [[outs, ins]]) {
    const rows = x.length / ins, y = new Float32Array(rows * outs);
    for (let n = 0; n < rows; n++)
      for (let o = 0; o < outs; o++) {
        let sum = bias === undefined ? 0 : bias[o];
        const row = o * ins, start = n * ins;
        for (let i = 0; i < ins; i++) sum += x[start + i] * weight[row + i];
        y[n * outs + o] = sum;
      }
    return y;
  }

  // y = weight * (x - mean) / sqrt(var + eps) + bias, for each channel, by the running statistics
  function batchNorm([x], [weight, bias, mean, variance], layer, [[, channels]]) {
    const y = new Float32Array(x.length), pixels = x.length / channels;
    for (let c = 0; c < channels; c++) {
      const factor = weight[c] / Math.sqrt(variance[c] + layer.eps);
      for (let at = c * pixels; at < (c + 1) * pixels; at++) y[at] = (x[at] - mean[c]) * factor + bias[c];
    }
    return y;
  }

  /** Mean and 1 / deviation of part of a value. */
  function moments(x, start, count, eps) {
    let sum = 0, squares = 0;
    for (let k = 0; k < count; k++) sum += x[start + k];
    const mean = sum / count;
    for (let k = 0; k < count; k++) squares += (x[start + k] - mean) ** 2;
    return [mean, 1 / Math.sqrt(squares / count + eps)];
  }

  /** How many values are standardised together, and which weight the one at a place has. */
  function parts(layer, given) {
    const total = size(given);
    if (layer.op === "group_norm") {
      const pixels = total / given[1];
      return { count: total / layer.groups, weightAt: (at) => Math.floor(at / pixels) };
    }
    const count = size(given.slice(given.length - layer.count));
    return { count, weightAt: (at) => at % count };
  }

  function groupNorm([x], [weight, bias], layer, [given]) {
    const y = new Float32Array(x.length), { count, weightAt } = parts(layer, given);
    for (let start = 0; start < x.length; start += count) {
      const [mean, scale] = moments(x, start, count, layer.eps);
      for (let at = start; at < start + count; at++) {
        const k = weightAt(at), value = (x[at] - mean) * scale;
        y[at] = value * (weight ? weight[k] : 1) + (bias ? bias[k] : 0);
      }
    }
    return y;
  }

  /** For each value the sum over the `around` channels, of which so many lie before its own. */
  function overChannels(values, channels, around, before) {
    const y = new Float32Array(values.length), pixels = values.length / channels;
    for (let c = 0; c < channels; c++)
      for (let d = Math.max(0, c - before); d < Math.min(channels, c - before + around); d++)
        for (let p = 0; p < pixels; p++) y[c * pixels + p] += values[d * pixels + p];
    return y;
  }

  // y = x / (k + alpha / size * sum of x^2 over the channels around)^beta
  function localResponseNorm([x], _, layer, [[, channels]]) {
    const sums = overChannels(x.map((v) => v * v), channels, layer.size, Math.floor(layer.size / 2));
    return x.map((v, at) => v / (layer.k + (layer.alpha / layer.size) * sums[at]) ** layer.beta);
  }

  // ---- activations -----------------------------------------------------------------------------

  const sigmoid = (v) => (v >= 0 ? 1 / (1 + Math.exp(-v)) : Math.exp(v) / (1 + Math.exp(v)));
  const softplus = (v) => Math.max(v, 0) + Math.log1p(Math.exp(-Math.abs(v)));

  // Abramowitz and Stegun's series and the continued fraction of erfc; right to 1e-12.
  function erf(v) {
    const t = Math.abs(v);
    if (t > 6) return Math.sign(v);
    if (t < 2.5) {
      let term = t, sum = t;
      for (let n = 1; n < 60; n++) {
        term *= (-t * t) / n;
        sum += term / (2 * n + 1);
      }
      return (Math.sign(v) * 2 * sum) / Math.sqrt(Math.PI);
    }
    let fraction = 0;
    for (let n = 60; n > 0; n--) fraction = n / 2 / (t + fraction);
    return Math.sign(v) * (1 - Math.exp(-t * t) / Math.sqrt(Math.PI) / (t + fraction));
  }

  const cubic = (v) => Math.sqrt(2 / Math.PI) * (v + 0.044715 * v * v * v);

  // Of each activation the value at v; `l` has its options.
  const ACTIVATIONS = {
    relu: (v) => (v > 0 || Number.isNaN(v) ? v : 0),
    tanh: Math.tanh,
    sigmoid,
    silu: (v) => v * sigmoid(v),
    gelu: (v) => 0.5 * v * (1 + erf(v / Math.SQRT2)),
    gelu_tanh: (v) => 0.5 * v * (1 + Math.tanh(cubic(v))),
    hardswish: (v) => (v * Math.min(Math.max(v + 3, 0), 6)) / 6,
    hardsigmoid: (v) => Math.min(Math.max(v + 3, 0), 6) / 6,
    hardtanh: (v, l) => Math.min(Math.max(v, l.low), l.high),
    leaky_relu: (v, l) => (v > 0 ? v : l.slope * v),
    elu: (v, l) => (v > 0 ? v : l.alpha * Math.expm1(v)),
    scaled_elu: (v, l) => l.scale * (v > 0 ? v : l.alpha * Math.expm1(l.rate * v)),
    softplus: (v, l) => (v * l.beta > l.threshold ? v : softplus(v * l.beta) / l.beta),
    log_sigmoid: (v) => -softplus(-v),
    mish: (v) => v * Math.tanh(softplus(v)),
    neg: (v) => -v,
    abs: Math.abs,
    exp: Math.exp,
    log: Math.log,
    sqrt: Math.sqrt,
    scale: (v, l) => l.factor * v,
    identity: (v) => v,
  };

  const activation = (f) => ([x], _, layer) => x.map((v) => f(v, layer));

  function prelu([x], [slopes], _, [given]) {
    const pixels = given.length > 1 ? size(given.slice(2)) : 1;
    const slope = (at) => (slopes.length > 1 ? slopes[Math.floor(at / pixels)] : slopes[0]);
    return x.map((v, at) => (v > 0 ? v : slope(at) * v));
  }

  /** Softmax along the middle one of three axes, (outer, count, inner). */
  function softmax(x, outer, count, inner, log = false) {
    const y = new Float32Array(x.length);
    for (let a = 0; a < outer; a++)
      for (let b = 0; b < inner; b++) {
        const place = (k) => (a * count + k) * inner + b;
        let most = -Infinity, sum = 0;
        for (let k = 0; k < count; k++) most = Math.max(most, x[place(k)]);
        for (let k = 0; k < count; k++) sum += Math.exp(x[place(k)] - most);
        for (let k = 0; k < count; k++) {
          const off = x[place(k)] - most;
          y[place(k)] = log ? off - Math.log(sum) : Math.exp(off) / sum;
        }
      }
    return y;
  }

  const along = (shape, dim) => [size(shape.slice(0, dim)), shape[dim], size(shape.slice(dim + 1))];

  // ---- arithmetic and places -------------------------------------------------------------------

  /** The place in an operand of the shape `given` for each place of the result, by broadcasting. */
  function broadcast(shape, given) {
    if (size(shape) === size(given)) return (at) => at;
    if (size(given) === 1) return () => 0;
    const strides = stridesOf(shape), own = stridesOf(given), off = shape.length - given.length;
    return (at) => {
      let place = 0;
      for (let k = 0; k < shape.length; k++) {
        const i = Math.floor(at / strides[k]) % shape[k];
        if (k >= off && given[k - off] > 1) place += i * own[k - off];
      }
      return place;
    };
  }

  const BINARY = {
    add: (a, b) => a + b,
    sub: (a, b) => a - b,
    mul: (a, b) => a * b,
    div: (a, b) => a / b,
  };

  const binary = (f) => ([a, b], _, layer, [first, second]) => {
    const left = broadcast(layer.shape, first), right = broadcast(layer.shape, second);
    return new Float32Array(size(layer.shape)).map((_, at) => f(a[left(at)], b[right(at)]));
  };

  /** For each place of the result the place in the input that it is taken from. */
  function sources(layer) {
    const total = size(layer.shape);
    if (layer.strides === null) return (at) => at;
    const table = new Int32Array(total), own = stridesOf(layer.shape);
    for (let at = 0; at < total; at++) {
      let place = layer.base;
      for (let k = 0; k < own.length; k++)
        place += (Math.floor(at / own[k]) % layer.shape[k]) * layer.strides[k];
      table[at] = place;
    }
    return (at) => table[at];
  }

  function view([x], _, layer) {
    if (layer.strides === null) return x;
    const source = sources(layer);
    return new Float32Array(size(layer.shape)).map((_, at) => x[source(at)]);
  }

  /** The place of the result for each place of what is padded; -1 where a negative width cuts. */
  function padded(layer, given) {
    const own = stridesOf(given), to = stridesOf(layer.shape);
    return (at) => {
      let place = 0;
      for (let k = 0; k < given.length; k++) {
        const i = (Math.floor(at / own[k]) % given[k]) + layer.widths[k][0];
        if (i < 0 || i >= layer.shape[k]) return -1;
        place += i * to[k];
      }
      return place;
    };
  }

  function pad([x], _, layer, [given]) {
    const y = new Float32Array(size(layer.shape)).fill(layer.value), place = padded(layer, given);
    x.forEach((v, at) => {
      const to = place(at);
      if (to >= 0) y[to] = v;
    });
    return y;
  }

  function cat(xs, _, layer, given) {
    const [outer, count, inner] = along(layer.shape, layer.dim);
    const y = new Float32Array(size(layer.shape));
    let start = 0;
    xs.forEach((x, i) => {
      const run = given[i][layer.dim] * inner;
      for (let a = 0; a < outer; a++) y.set(x.subarray(a * run, (a + 1) * run), a * count * inner + start);
      start += run;
    });
    return y;
  }

  /** The place of the sum that each value goes into. */
  function summedInto(layer, given) {
    const own = stridesOf(given), kept = given.map((n, k) => (layer.axes.includes(k) ? 1 : n));
    const to = stridesOf(kept);
    return (at) => {
      let place = 0;
      for (let k = 0; k < given.length; k++)
        if (kept[k] > 1) place += (Math.floor(at / own[k]) % given[k]) * to[k];
      return place;
    };
  }

  const reduction = (isMean) => ([x], _, layer, [given]) => {
    const total = size(layer.shape), sums = new Float64Array(total), place = summedInto(layer, given);
    x.forEach((v, at) => (sums[place(at)] += v));
    return Float32Array.from(sums, (s) => (isMean ? (s * total) / x.length : s));
  };

  const OPS = {
    constant: (_, [value]) => value,
    conv2d,
    linear,
    batch_norm: batchNorm,
    group_norm: groupNorm,
    layer_norm: groupNorm,
    local_response_norm: localResponseNorm,
    max_pool2d: maxPool2d,
    avg_pool2d: avgPool2d,
    adaptive_avg_pool2d: adaptiveAvgPool2d,
    adaptive_max_pool2d: adaptiveMaxPool2d,
    prelu,
    softmax: ([x], _, l) => softmax(x, ...along(l.shape, l.dim)),
    log_softmax: ([x], _, l) => softmax(x, ...along(l.shape, l.dim), true),
    cat,
    pad,
    mean: reduction(true),
    sum: reduction(false),
  };
  for (const name in ACTIVATIONS) OPS[name] = activation(ACTIVATIONS[name]);
  for (const name in BINARY) OPS[name] = binary(BINARY[name]);
  for (const name of ["reshape", "permute", "slice", "expand", "flip"]) OPS[name] = view;

  return {
    OPS, ACTIVATIONS, BINARY, load, run, apply, probabilities, shapeFrom, size, stridesOf, along,
    taps, eachWindow, eachBin, spans, bins, winner, divisors, moments, parts,
    overChannels, sigmoid, softplus, erf, cubic, broadcast, sources, padded, summedInto,
  };
})();

if (typeof module !== "undefined") module.exports = Forward;
