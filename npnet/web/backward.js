// The backward pass: the gradient of one unit with respect to the picture, layer by layer by hand.
//
//   const gx = Backward.ofUnit(net, values, picture, layer, unit);   // values: Forward.run's
//
// Each op is given gy, the gradient of its result, and gives that of each of its inputs; weights
// get none, as nothing is trained here. The equations are those of npnet's own ops.
"use strict";

const Backward = (() => {
  const F = typeof module !== "undefined" ? require("./forward.js") : Forward;
  const { size } = F;

  /** d value[layer][unit] / d picture. */
  function ofUnit(net, values, picture, layer, unit) {
    const start = new Float32Array(values[layer].length);
    start[unit] = 1;
    return run(net, values, picture, layer, start);
  }

  /** The gradient of the picture, where that of a layer's result is `gy`. */
  function run(net, values, picture, layer, gy) {
    const gradients = new Array(layer + 1);
    gradients[layer] = gy;
    let gx = new Float32Array(picture.length);
    for (let k = layer; k >= 0; k--) {
      if (gradients[k] === undefined || net.layers[k].op === "constant") continue;
      const parts = ofInputs(net, k, values, picture, gradients[k]);
      net.layers[k].from.forEach((from, i) => {
        if (from < 0) gx = sum(gx, parts[i]);
        else gradients[from] = gradients[from] ? sum(gradients[from], parts[i]) : parts[i];
      });
      gradients[k] = undefined;
    }
    return gx;
  }

  const sum = (a, b) => a.map((v, at) => v + b[at]);

  function ofInputs(net, k, values, picture, gy) {
    const layer = net.layers[k], op = OPS[layer.op];
    if (op === undefined) throw new Error(`backward: there is no op ${layer.op}`);
    return op(gy, {
      xs: layer.from.map((from) => (from < 0 ? picture : values[from])),
      y: values[k],
      weights: layer.weights.map((w) => net.tensors[w]),
      layer,
      given: layer.from.map((_, i) => F.shapeFrom(net, layer, i)),
    });
  }

  // ---- windows ---------------------------------------------------------------------------------

  function conv2d(gy, { xs: [x], weights: [weight], layer, given: [[, channels, h, w]] }) {
    const gx = new Float32Array(x.length), [, outs, oh, ow] = layer.shape, [sh, sw] = layer.stride;
    const inGroup = channels / layer.groups, outGroup = outs / layer.groups, places = F.taps(layer, h, w);
    for (let o = 0; o < outs; o++) {
      const plane = o * oh * ow, first = Math.floor(o / outGroup) * inGroup;
      if (gy.subarray(plane, plane + oh * ow).every((g) => g === 0)) continue; // of a unit nearly all are
      for (let c = 0; c < inGroup; c++) {
        const image = (first + c) * h * w, filter = (o * inGroup + c) * places.length;
        for (let t = 0; t < places.length; t++) {
          const { top, left, i0, i1, j0, j1 } = places[t], factor = weight[filter + t];
          for (let i = i0; i <= i1; i++) {
            const to = image + (i * sh + top) * w + left, at = plane + i * ow;
            for (let j = j0; j <= j1; j++) gx[to + j * sw] += factor * gy[at + j];
          }
        }
      }
    }
    return [gx];
  }

  // The first maximum of a window receives the whole gradient.
  const maximum = (each) => (gy, { xs: [x], layer, given: [shape] }) => {
    const gx = new Float32Array(x.length);
    each(layer, shape, (at, plane, rows, columns) => {
      gx[F.winner(x, plane, rows, columns, shape[3])] += gy[at];
    });
    return [gx];
  };

  function avgPool2d(gy, { xs: [x], layer, given: [shape] }) {
    const gx = new Float32Array(x.length), divisor = F.divisors(layer, shape);
    F.eachWindow(layer, shape, (at, plane, rows, columns, i, j) => {
      const share = gy[at] / divisor(i, j);
      for (const r of rows) for (const c of columns) gx[plane + r * shape[3] + c] += share;
    });
    return [gx];
  }

  function adaptiveAvgPool2d(gy, { xs: [x], layer, given: [shape] }) {
    const gx = new Float32Array(x.length);
    F.eachBin(layer, shape, (at, plane, rows, columns) => {
      const share = gy[at] / (rows.length * columns.length);
      for (const r of rows) for (const c of columns) gx[plane + r * shape[3] + c] += share;
    });
    return [gx];
  }

  // ---- products and norms ----------------------------------------------------------------------

  function linear(gy, { xs: [x], weights: [weight], layer }) {
    const gx = new Float32Array(x.length), outs = layer.shape[layer.shape.length - 1];
    const rows = gy.length / outs, ins = x.length / rows;
    for (let n = 0; n < rows; n++)
      for (let o = 0; o < outs; o++) {
        const g = gy[n * outs + o];
        if (g !== 0) for (let i = 0; i < ins; i++) gx[n * ins + i] += g * weight[o * ins + i];
      }
    return [gx];
  }

  function batchNorm(gy, { weights: [weight, , , variance], layer, given: [[, channels]] }) {
    const pixels = gy.length / channels;
    const factor = variance.map((v, c) => weight[c] / Math.sqrt(v + layer.eps));
    return [gy.map((g, at) => g * factor[Math.floor(at / pixels)])];
  }

  // gx = (g - mean(g) - xhat * mean(g * xhat)) / deviation, where g = gy * weight
  function groupNorm(gy, { xs: [x], weights: [weight], layer, given: [shape] }) {
    const gx = new Float32Array(x.length), { count, weightAt } = F.parts(layer, shape);
    for (let start = 0; start < x.length; start += count) {
      const [mean, scale] = F.moments(x, start, count, layer.eps);
      const g = (at) => gy[at] * (weight ? weight[weightAt(at)] : 1);
      let total = 0, dots = 0;
      for (let at = start; at < start + count; at++) {
        total += g(at);
        dots += g(at) * (x[at] - mean) * scale;
      }
      for (let at = start; at < start + count; at++)
        gx[at] = scale * (g(at) - total / count - ((x[at] - mean) * scale * dots) / count);
    }
    return [gx];
  }

  // gx = gy / d^beta - 2 alpha beta / size * x * the sum of gy x / d^(beta + 1) over the channels
  // that this one is around of
  function localResponseNorm(gy, { xs: [x], layer, given: [[, channels]] }) {
    const { size: around, alpha, beta, k } = layer;
    const sums = F.overChannels(x.map((v) => v * v), channels, around, Math.floor(around / 2));
    const d = sums.map((s) => k + (alpha / around) * s);
    const slopes = gy.map((g, at) => (g * x[at]) / d[at] ** (beta + 1));
    const spread = F.overChannels(slopes, channels, around, Math.floor((around - 1) / 2));
    const factor = (2 * alpha * beta) / around;
    return [gy.map((g, at) => g / d[at] ** beta - factor * x[at] * spread[at])];
  }

  // ---- activations -----------------------------------------------------------------------------

  const normal = (v) => Math.exp((-v * v) / 2) / Math.sqrt(2 * Math.PI);

  // Of each activation its slope at v, where y is its value there.
  const SLOPES = {
    relu: (v) => (v > 0 ? 1 : 0),
    tanh: (_, y) => 1 - y * y,
    sigmoid: (_, y) => y * (1 - y),
    silu: (v) => F.sigmoid(v) * (1 + v * (1 - F.sigmoid(v))),
    gelu: (v) => 0.5 * (1 + F.erf(v / Math.SQRT2)) + v * normal(v),
    gelu_tanh: (v) => {
      const t = Math.tanh(F.cubic(v)), inner = Math.sqrt(2 / Math.PI) * (1 + 3 * 0.044715 * v * v);
      return 0.5 * (1 + t) + 0.5 * v * (1 - t * t) * inner;
    },
    hardswish: (v) => (v <= -3 ? 0 : v < 3 ? v / 3 + 0.5 : 1),
    hardsigmoid: (v) => (v > -3 && v < 3 ? 1 / 6 : 0),
    hardtanh: (v, _, l) => (v > l.low && v < l.high ? 1 : 0),
    leaky_relu: (v, _, l) => (v > 0 ? 1 : l.slope),
    elu: (v, y, l) => (v > 0 ? 1 : y + l.alpha),
    scaled_elu: (v, _, l) => l.scale * (v > 0 ? 1 : l.alpha * l.rate * Math.exp(l.rate * v)),
    softplus: (v, _, l) => (v * l.beta > l.threshold ? 1 : F.sigmoid(v * l.beta)),
    log_sigmoid: (v) => F.sigmoid(-v),
    mish: (v) => {
      const t = Math.tanh(F.softplus(v));
      return t + v * (1 - t * t) * F.sigmoid(v);
    },
    neg: () => -1,
    abs: (v) => Math.sign(v),
    exp: (_, y) => y,
    log: (v) => 1 / v,
    sqrt: (_, y) => 0.5 / y,
    scale: (_, __, l) => l.factor,
    identity: () => 1,
  };

  const activation = (slope) => (gy, { xs: [x], y, layer }) =>
    [gy.map((g, at) => (g === 0 ? 0 : g * slope(x[at], y[at], layer)))];

  function prelu(gy, { xs: [x], weights: [slopes], given: [shape] }) {
    const pixels = shape.length > 1 ? size(shape.slice(2)) : 1;
    const slope = (at) => (slopes.length > 1 ? slopes[Math.floor(at / pixels)] : slopes[0]);
    return [gy.map((g, at) => (x[at] > 0 ? g : g * slope(at)))];
  }

  // Softmax: gx = y * (gy - sum of gy y);  log-softmax: gx = gy - exp(y) * sum of gy
  const softmax = (log) => (gy, { y, layer }) => {
    const [outer, count, inner] = F.along(layer.shape, layer.dim), gx = new Float32Array(y.length);
    for (let a = 0; a < outer; a++)
      for (let b = 0; b < inner; b++) {
        const place = (k) => (a * count + k) * inner + b;
        let total = 0;
        for (let k = 0; k < count; k++) total += gy[place(k)] * (log ? 1 : y[place(k)]);
        for (let k = 0; k < count; k++) {
          const at = place(k);
          gx[at] = log ? gy[at] - Math.exp(y[at]) * total : y[at] * (gy[at] - total);
        }
      }
    return [gx];
  };

  // ---- arithmetic and places -------------------------------------------------------------------

  // Of a op b the slopes by a and by b.
  const BINARY = {
    add: [() => 1, () => 1],
    sub: [() => 1, () => -1],
    mul: [(_, b) => b, (a) => a],
    div: [(_, b) => 1 / b, (a, b) => -a / (b * b)],
  };

  const binary = (slopes) => (gy, { xs: [a, b], layer, given }) => {
    const places = given.map((shape) => F.broadcast(layer.shape, shape));
    return slopes.map((slope, side) => {
      const gx = new Float32Array([a, b][side].length);
      gy.forEach((g, at) => {
        gx[places[side](at)] += g * slope(a[places[0](at)], b[places[1](at)]);
      });
      return gx;
    });
  };

  function view(gy, { xs: [x], layer }) {
    if (layer.strides === null) return [gy];
    const gx = new Float32Array(x.length), source = F.sources(layer);
    gy.forEach((g, at) => (gx[source(at)] += g));
    return [gx];
  }

  function pad(gy, { xs: [x], layer, given: [shape] }) {
    const place = F.padded(layer, shape);
    return [x.map((_, at) => (place(at) < 0 ? 0 : gy[place(at)]))];
  }

  function cat(gy, { xs, layer, given }) {
    const [outer, count, inner] = F.along(layer.shape, layer.dim);
    let start = 0;
    return xs.map((x, i) => {
      const gx = new Float32Array(x.length), run = given[i][layer.dim] * inner;
      for (let a = 0; a < outer; a++) {
        const from = a * count * inner + start;
        gx.set(gy.subarray(from, from + run), a * run);
      }
      start += run;
      return gx;
    });
  }

  const reduction = (isMean) => (gy, { xs: [x], layer, given: [shape] }) => {
    const place = F.summedInto(layer, shape), share = isMean ? gy.length / x.length : 1;
    return [x.map((_, at) => gy[place(at)] * share)];
  };

  const OPS = {
    conv2d,
    linear,
    batch_norm: batchNorm,
    group_norm: groupNorm,
    layer_norm: groupNorm,
    local_response_norm: localResponseNorm,
    max_pool2d: maximum(F.eachWindow),
    avg_pool2d: avgPool2d,
    adaptive_avg_pool2d: adaptiveAvgPool2d,
    adaptive_max_pool2d: maximum(F.eachBin),
    prelu,
    softmax: softmax(false),
    log_softmax: softmax(true),
    cat,
    pad,
    mean: reduction(true),
    sum: reduction(false),
  };
  for (const name in SLOPES) OPS[name] = activation(SLOPES[name]);
  for (const name in BINARY) OPS[name] = binary(BINARY[name]);
  for (const name of ["reshape", "permute", "slice", "expand", "flip"]) OPS[name] = view;

  return { OPS, ofUnit, run };
})();

if (typeof module !== "undefined") module.exports = Backward;
