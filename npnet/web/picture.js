// From what was drawn, or any picture, to what the network takes: as npnet.prediction.digits and
// npnet.models.preprocess do it.
//
// A drawing is light on black, clean, on a square canvas: npnet finds its paper by Otsu's threshold,
// and all of it is 0 then. What is left are its steps for digits:
//
//   marks are found, and dust, ruled lines and what comes in from the edge are left out
//   the digit is cut out, and strokes far from the width of MNIST's pens are brought nearer to it
//   it is scaled so that its longer side is `box` pixels, its proportion kept
//   its centre of mass is moved to the middle of 28 x 28 pixels, by whole pixels
//
// Planes are Float32Arrays with width and height: { x, h, w }.
"use strict";

const Picture = (() => {
  const SIDE = 28, FINE = 320, ENLARGED = 8; // see npnet.prediction.digits, as all numbers here
  const FAINTEST = 0.07, LEAST_MARK = 0.025, PEN = 20, THIN = 1.5, THICK = 4.0;

  class NothingToRead extends Error {}

  const plane = (h, w, x = new Float32Array(h * w)) => ({ x, h, w });

  /** f of each value; TypedArray.from goes through iterators, which takes ten times as long. */
  function mapped(Kind, x, f) {
    const y = new Kind(x.length);
    for (let at = 0; at < x.length; at++) y[at] = f(x[at], at);
    return y;
  }

  /** Python's round: a half goes to the even number. */
  function rint(v) {
    const low = Math.floor(v), off = v - low;
    return off === 0.5 ? low + (low % 2 === 0 ? 0 : 1) : Math.round(v);
  }

  /** The value that this share of all is below. */
  function ranked(values, share) {
    const sorted = new Float32Array(values).sort();
    return sorted[Math.floor(share * (sorted.length - 1))];
  }

  // ---- resizing --------------------------------------------------------------------------------

  /** For each output pixel the first input pixel that it has a share of, and the shares. */
  function shares(length, out) {
    const scale = length / out, reach = Math.max(scale, 1);
    return Array.from({ length: out }, (_, i) => {
      const centre = scale * (i + 0.5), first = Math.max(0, Math.floor(centre - reach));
      const end = Math.min(length, Math.floor(centre + reach) + 1);
      const share = Float64Array.from({ length: end - first }, (_, k) =>
        Math.max(0, 1 - Math.abs((first + k + 0.5 - centre) / reach)));
      const sum = share.reduce((a, b) => a + b, 0);
      return { first, share: share.map((v) => v / sum) };
    });
  }

  /** Bilinear and antialiased, as transforms.Resize. */
  function resized({ x, h, w }, height, width) {
    if (h === height && w === width) return plane(h, w, x);
    const across = plane(h, width), y = plane(height, width);
    shares(w, width).forEach(({ first, share }, j) => {
      for (let i = 0; i < h; i++) {
        let sum = 0;
        for (let k = 0; k < share.length; k++) sum += share[k] * x[i * w + first + k];
        across.x[i * width + j] = sum;
      }
    });
    shares(h, height).forEach(({ first, share }, i) => {
      for (let j = 0; j < width; j++) {
        let sum = 0;
        for (let k = 0; k < share.length; k++) sum += share[k] * across.x[(first + k) * width + j];
        y.x[i * width + j] = sum;
      }
    });
    return y;
  }

  // ---- what the network takes ------------------------------------------------------------------

  /** Bytes (C, h, w) to the network's size, standardised: (x / 255 - mean) / std. */
  function standardised(bytes, channels, h, w, { image_shape: [, height, width], mean, std }) {
    const y = new Float32Array(channels * height * width);
    for (let c = 0; c < channels; c++) {
      const part = plane(h, w, new Float32Array(bytes.subarray(c * h * w, (c + 1) * h * w)));
      const { x } = resized(part, height, width);
      for (let at = 0; at < x.length; at++)
        y[c * height * width + at] = (rint(x[at]) / 255 - mean[c]) / std[c];
    }
    return y;
  }

  /** RGBA pixels of a canvas as bytes (C, h, w), on white where they are transparent. */
  function fromCanvas(rgba, h, w, channels) {
    const bytes = new Uint8Array(channels * h * w);
    for (let at = 0; at < h * w; at++) {
      const a = rgba[4 * at + 3] / 255;
      const [r, g, b] = [0, 1, 2].map((c) => Math.round(rgba[4 * at + c] * a + 255 * (1 - a)));
      if (channels === 1) bytes[at] = (19595 * r + 38470 * g + 7471 * b + 0x8000) >> 16;
      else [r, g, b].forEach((v, c) => (bytes[c * h * w + at] = v));
    }
    return bytes;
  }

  // ---- marks -----------------------------------------------------------------------------------

  /** Pieces of ink that hang together, also by corners: labels from 1, and the marks, by size. */
  function findMarks(mask, h, w) {
    const labels = new Int32Array(h * w), marks = [];
    for (let start = 0; start < h * w; start++) {
      if (!mask[start] || labels[start]) continue;
      const mark = { number: marks.length + 1, area: 0, top: h, left: w, bottom: -1, right: -1 };
      const ahead = [start];
      labels[start] = mark.number;
      while (ahead.length) {
        const at = ahead.pop(), r = Math.floor(at / w), c = at % w;
        mark.area++;
        mark.top = Math.min(mark.top, r);
        mark.bottom = Math.max(mark.bottom, r);
        mark.left = Math.min(mark.left, c);
        mark.right = Math.max(mark.right, c);
        for (let u = Math.max(r - 1, 0); u <= Math.min(r + 1, h - 1); u++)
          for (let v = Math.max(c - 1, 0); v <= Math.min(c + 1, w - 1); v++)
            if (mask[u * w + v] && !labels[u * w + v]) {
              labels[u * w + v] = mark.number;
              ahead.push(u * w + v);
            }
      }
      mark.height = mark.bottom - mark.top + 1;
      mark.width = mark.right - mark.left + 1;
      mark.side = Math.max(mark.height, mark.width);
      mark.atEdge = !mark.top || !mark.left || mark.bottom === h - 1 || mark.right === w - 1;
      marks.push(mark);
    }
    marks.sort((a, b) => b.area - a.area || a.number - b.number);
    return { labels, marks };
  }

  /** Without ruled lines, which go through whole rows or columns, but for what crosses them. */
  function withoutLines(mask, h, w) {
    const kept = new Uint8Array(mask);
    for (const isRows of [true, false]) {
      const [count, length] = isRows ? [h, w] : [w, h];
      const place = (k, i) => (isRows ? k * w + i : i * w + k);
      const row = (k) => Array.from({ length }, (_, i) => kept[place(k, i)]);
      const isLine = Array.from({ length: count }, (_, k) => {
        let ink = 0;
        for (let i = 0; i < length; i++) ink += kept[place(k, i)];
        return ink / length > 0.75;
      });
      const share = isLine.filter(Boolean).length / count;
      if (!(share > 0 && share < 0.3)) continue;
      for (let start = 0; start < count; start++) {
        if (!isLine[start] || (start && isLine[start - 1])) continue;
        let end = start;
        while (end < count && isLine[end]) end++;
        const begin = Math.max(start - 1, 0), stop = Math.min(end + 1, count);
        const above = row(Math.max(begin - 1, 0)), below = row(Math.min(stop, count - 1));
        for (let k = begin; k < stop; k++)
          for (let i = 0; i < length; i++)
            if (!(above[i] && begin > 0 && below[i] && stop < count)) kept[place(k, i)] = 0;
      }
    }
    return kept;
  }

  /** Pixels between two marks, along the axis where they are further apart. */
  function gap(a, b) {
    const rows = Math.max(a.top, b.top) - Math.min(a.bottom, b.bottom);
    const columns = Math.max(a.left, b.left) - Math.min(a.right, b.right);
    return Math.max(rows, columns, 0);
  }

  /** How much ink there is within a stroke. */
  function full(ink) {
    const values = [];
    for (let at = 0; at < ink.x.length; at++) if (ink.x[at] > FAINTEST) values.push(ink.x[at]);
    if (!values.length) throw new NothingToRead("there is no ink on it");
    return ranked(values, 0.9);
  }

  /** The marks that are the digit's, among all. */
  function digitOf(ink) {
    const threshold = Math.max(FAINTEST, 0.45 * full(ink));
    const mask = withoutLines(mapped(Uint8Array, ink.x, (v) => (v > threshold ? 1 : 0)), ink.h, ink.w);
    const { labels, marks: all } = findMarks(mask, ink.h, ink.w);
    let marks = all.filter((m) => m.side >= Math.max(3, LEAST_MARK * Math.max(ink.h, ink.w)));
    if (!marks.length) throw new NothingToRead("there is no ink on it");
    const inner = marks.filter((m) => !m.atEdge);
    if (inner.length && inner[0].side > 0.3 * marks[0].side && inner[0].area > 0.1 * marks[0].area)
      marks = inner;
    const [first] = marks;
    const digit = marks.filter((m) => m.area >= 0.05 * first.area && gap(m, first) <= 0.3 * first.side);
    return { labels, digit };
  }

  /** Top, left, bottom and right of several marks. */
  const boundsOf = (marks) => ({
    top: Math.min(...marks.map((m) => m.top)),
    left: Math.min(...marks.map((m) => m.left)),
    bottom: Math.max(...marks.map((m) => m.bottom)),
    right: Math.max(...marks.map((m) => m.right)),
  });

  // ---- means and maxima ------------------------------------------------------------------------

  /** f of each line, rows and then columns: f(values, length) changes an array in its place. */
  function alongBoth({ x, h, w }, f) {
    const y = plane(h, w, new Float32Array(x)), line = new Float32Array(Math.max(h, w));
    for (let c = 0; c < w; c++) {
      for (let r = 0; r < h; r++) line[r] = y.x[r * w + c];
      f(line, h);
      for (let r = 0; r < h; r++) y.x[r * w + c] = line[r];
    }
    for (let r = 0; r < h; r++) {
      line.set(y.x.subarray(r * w, (r + 1) * w));
      f(line, w);
      y.x.set(line.subarray(0, w), r * w);
    }
    return y;
  }

  /** The mean of each pixel and its eight neighbours; beyond the edge as at it. */
  function meanOfNine(ink) {
    return alongBoth(ink, (line, n) => {
      let before = line[0];
      for (let k = 0; k < n; k++) {
        const here = line[k], after = k < n - 1 ? line[k + 1] : here;
        line[k] = (before + here + after) / 3;
        before = here;
      }
    });
  }

  /** The largest of the (2 radius + 1)^2 pixels around. */
  function largest(image, radius) {
    return alongBoth(image, (line, n) => {
      // Of `done` pixels up to each, of twice as many, and so on; then they are moved to the middle.
      const reach = 2 * radius + 1, ahead = new Float32Array(n + 2 * radius).fill(-Infinity);
      ahead.set(line.subarray(0, n), radius);
      for (let done = 1; done < reach; ) {
        const step = Math.min(done, reach - done);
        for (let k = 0; k + step < ahead.length; k++) if (ahead[k + step] > ahead[k]) ahead[k] = ahead[k + step];
        done += step;
      }
      line.set(ahead.subarray(0, n));
    });
  }

  /** Without the noise of single pixels, where there are so many that strokes keep their form. */
  function smooth(ink) {
    return Math.max(ink.h, ink.w) < 200 ? ink : meanOfNine(ink); // no picture has 400 pixels here
  }

  // ---- from the drawing to 28 x 28 -------------------------------------------------------------

  /**
   * A drawing, bytes (h, w), light on black, as a network of digits takes it: bytes (28, 28).
   * Throws NothingToRead. `placement` is { box, by_mass }.
   */
  function prepareDigit(bytes, h, w, placement) {
    const drawn = plane(h, w, mapped(Float32Array, bytes, (v) => v / 255));
    if (!bytes.some((v) => v > 0)) throw new NothingToRead("draw something");
    const { digit } = digitOf(smooth(drawn));
    const { part, size } = around(drawn, digit);
    const ink = smooth(enlarged(part));
    const again = digitOf(ink);
    const image = placed(scaled(ink, again, size / placement.box, placement.box), placement);
    return mapped(Uint8Array, image.x, (v) => rint(255 * v));
  }

  /** The part with the digit and paper around, and how large the digit is. */
  function around(drawn, digit) {
    const { top, left, bottom, right } = boundsOf(digit);
    const side = Math.max(bottom + 1 - top, right + 1 - left), margin = side / 2 + 2;
    const r0 = Math.max(Math.trunc(top - margin), 0), r1 = Math.min(Math.trunc(bottom + 1 + margin) + 1, drawn.h);
    const c0 = Math.max(Math.trunc(left - margin), 0), c1 = Math.min(Math.trunc(right + 1 + margin) + 1, drawn.w);
    return { part: cut(drawn, r0, c0, r1, c1), size: side };
  }

  function cut({ x, w }, r0, c0, r1, c1) {
    const y = plane(r1 - r0, c1 - c0);
    for (let r = r0; r < r1; r++)
      for (let c = c0; c < c1; c++) y.x[(r - r0) * y.w + c - c0] = x[r * w + c];
    return y;
  }

  /** A small picture so large that the edge of a stroke lies between its pixels. */
  function enlarged(part) {
    const times = Math.min(Math.floor(FINE / Math.max(part.h, part.w)), ENLARGED);
    return times <= 1 ? part : resized(part, part.h * times, part.w * times);
  }

  /** The digit, 0 to 1, whose longer side is `box` pixels. */
  function scaled(ink, { labels, digit }, sharpness, box) {
    const blurred = Math.min(Math.max(sharpness - 1, 0) / 2, 1), most = full(ink);
    const low = 0.08 + 0.22 * blurred, high = 1 - 0.3 * blurred;
    const { top, left, bottom, right } = boundsOf(digit);
    const side = Math.max(bottom - top, right - left) + 1, numbers = new Set(digit.map((m) => m.number));
    const chosen = plane(ink.h, ink.w, mapped(Float32Array, labels, (k) => (numbers.has(k) ? 1 : 0)));
    const near = largest(chosen, Math.max(1, Math.floor(side / 25)));
    const amount = plane(ink.h, ink.w, mapped(Float32Array, ink.x, (v, at) =>
      near.x[at] > 0.5 ? Math.min(Math.max((v / most - low) / (high - low), 0), 1) : 0));
    const drawn = asByAPen(amount, side);
    const inside = boundsOfInk(drawn);
    const part = cut(drawn, inside.top, inside.left, inside.bottom + 1, inside.right + 1);
    const scale = box / Math.max(part.h, part.w);
    const small = resized(part, ...[part.h, part.w].map((n) => Math.max(1, rint(n * scale))));
    const peak = small.x.reduce((a, b) => Math.max(a, b), 0);
    return plane(small.h, small.w, small.x.map((v) => Math.min(Math.max(v / peak, 0), 1)));
  }

  function boundsOfInk({ x, h, w }) {
    const found = { top: h, left: w, bottom: -1, right: -1 };
    for (let r = 0; r < h; r++)
      for (let c = 0; c < w; c++)
        if (x[r * w + c] > 0.5) {
          found.top = Math.min(found.top, r);
          found.bottom = r;
          found.left = Math.min(found.left, c);
          found.right = Math.max(found.right, c);
        }
    if (found.bottom < 0) throw new NothingToRead("what is on it is no stroke");
    return found;
  }

  /** Strokes thickened or thinned, where they are thinner or thicker than MNIST's. */
  function asByAPen(amount, side) {
    const width = (strokeWidth(amount) * PEN) / side;
    const change = Math.max(THIN - width, 0) - Math.max(width - THICK, 0);
    const steps = rint((Math.abs(change) * side) / PEN / 2);
    let room = change > 0 ? framed(amount, steps + 1) : amount;
    const inverse = (p) => plane(p.h, p.w, mapped(Float32Array, p.x, (v) => 1 - v));
    for (let step = 0; step < steps; step++) {
      const corners = step % 2 === 0;
      room = change > 0 ? spread(room, corners) : inverse(spread(inverse(room), corners));
    }
    return room;
  }

  function framed({ x, h, w }, width) {
    const y = plane(h + 2 * width, w + 2 * width);
    for (let r = 0; r < h; r++)
      for (let c = 0; c < w; c++) y.x[(r + width) * y.w + c + width] = x[r * w + c];
    return y;
  }

  /** Pixels: of a stroke of length l and width b, area l b and perimeter 2 l, nearly. */
  function strokeWidth({ x, h, w }) {
    const ink = (r, c) => (r >= 0 && r < h && c >= 0 && c < w && x[r * w + c] > 0.5 ? 1 : 0);
    let area = 0, perimeter = 0;
    for (let r = 0; r <= h; r++)
      for (let c = 0; c <= w; c++) {
        area += ink(r, c);
        perimeter += (ink(r, c) !== ink(r - 1, c)) + (ink(r, c) !== ink(r, c - 1));
      }
    return (2 * area) / ((perimeter * Math.PI) / 4);
  }

  /** The largest of each pixel and its neighbours; both kinds by turns grow nearly a circle. */
  function spread(room, withCorners) {
    if (withCorners) return largest(room, 1);
    const { x, h, w } = room, y = plane(h, w);
    for (let r = 0; r < h; r++)
      for (let c = 0; c < w; c++) {
        const at = r * w + c, up = r ? x[at - w] : x[at], down = r < h - 1 ? x[at + w] : x[at];
        const left = c ? x[at - 1] : x[at], right = c < w - 1 ? x[at + 1] : x[at];
        y.x[at] = Math.max(x[at], up, down, left, right);
      }
    return y;
  }

  /** On 28 x 28 pixels, its centre of mass at row and column 14 to half a pixel, or in the middle. */
  function placed(digit, placement) {
    const image = plane(SIDE, SIDE), lengths = [digit.h, digit.w];
    const [top, left] = centre(digit).map((at, k) => {
      const start = placement.by_mass
        ? SIDE / 2 - Math.floor(at + 0.5)
        : Math.floor((SIDE - lengths[k]) / 2);
      return Math.min(Math.max(start, 0), SIDE - lengths[k]);
    });
    for (let r = 0; r < digit.h; r++)
      for (let c = 0; c < digit.w; c++) image.x[(top + r) * SIDE + left + c] = digit.x[r * digit.w + c];
    return image;
  }

  /** Row and column of the centre of mass. */
  function centre({ x, h, w }) {
    let total = 0, row = 0, column = 0;
    for (let r = 0; r < h; r++)
      for (let c = 0; c < w; c++) {
        total += x[r * w + c];
        row += r * x[r * w + c];
        column += c * x[r * w + c];
      }
    return [row / total, column / total];
  }

  return { NothingToRead, SIDE, prepareDigit, standardised, fromCanvas, resized, plane, rint };
})();

if (typeof module !== "undefined") module.exports = Picture;
