// Numbers as colours: 0 is the ground, above it orange, below it blue; and elements of the page.
"use strict";

const Paint = (() => {
  const GROUNDS = {
    light: { zero: [255, 255, 255], above: [[240, 140, 60], [140, 40, 0]], below: [[90, 140, 235], [10, 40, 140]] },
    dark: { zero: [12, 14, 17], above: [[205, 105, 30], [255, 236, 200]], below: [[40, 90, 190], [200, 225, 255]] },
  };
  const STEPS = 256;
  let table = tableOf("light");

  /** Colours of -1 to 1, in 2 * STEPS + 1 steps of RGB. */
  function tableOf(theme) {
    const { zero, above, below } = GROUNDS[theme], colours = new Uint8ClampedArray(3 * (2 * STEPS + 1));
    for (let k = -STEPS; k <= STEPS; k++) {
      const [middle, end] = k < 0 ? below : above, t = Math.abs(k) / STEPS;
      const [a, b, s] = t < 0.6 ? [zero, middle, t / 0.6] : [middle, end, (t - 0.6) / 0.4];
      for (let c = 0; c < 3; c++) colours[3 * (k + STEPS) + c] = a[c] + (b[c] - a[c]) * s;
    }
    return colours;
  }

  function useTheme(theme) {
    table = tableOf(theme);
  }

  /** The largest absolute value; 1 of zeros alone. */
  function most(values) {
    let found = 0;
    for (let k = 0; k < values.length; k++) found = Math.max(found, Math.abs(values[k]));
    return found || 1;
  }

  const store = document.createElement("canvas");

  /** Maps beside each other, `count` of h x w, on a canvas of their own that is used again. */
  function strip(values, count, h, w, scale) {
    [store.width, store.height] = [count * w, h];
    const context = store.getContext("2d"), image = context.createImageData(count * w, h);
    for (let m = 0; m < count; m++)
      for (let i = 0; i < h; i++)
        for (let j = 0; j < w; j++) {
          const share = Math.max(-1, Math.min(1, values[(m * h + i) * w + j] / scale)) || 0;
          const from = 3 * (Math.round(share * STEPS) + STEPS), to = 4 * (i * count * w + m * w + j);
          for (let c = 0; c < 3; c++) image.data[to + c] = table[from + c];
          image.data[to + 3] = 255;
        }
    context.putImageData(image, 0, 0);
    return store;
  }

  /** Makes a canvas this large on the screen, and sharp. */
  function sized(canvas, width, height) {
    const ratio = Math.min(window.devicePixelRatio || 1, 3);
    const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    [canvas.style.width, canvas.style.height] = [`${width}px`, `${height}px`];
    const context = canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.imageSmoothingEnabled = false;
    context.clearRect(0, 0, width, height);
    return context;
  }

  /** One map, `zoom` pixels for each value. */
  function map(canvas, values, h, w, zoom, scale = most(values)) {
    const context = sized(canvas, w * zoom, h * zoom);
    context.drawImage(strip(values, 1, h, w, scale), 0, 0, w * zoom, h * zoom);
    return context;
  }

  /** A picture (C, h, w) of numbers from 0 to 1, grey or in colours. */
  function picture(canvas, values, channels, h, w, zoom) {
    [store.width, store.height] = [w, h];
    const inner = store.getContext("2d"), image = inner.createImageData(w, h);
    for (let at = 0; at < h * w; at++)
      for (let c = 0; c < 4; c++)
        image.data[4 * at + c] = c === 3 ? 255 : 255 * values[(channels === 3 ? c : 0) * h * w + at];
    inner.putImageData(image, 0, 0);
    const context = sized(canvas, w * zoom, h * zoom);
    context.drawImage(store, 0, 0, w * zoom, h * zoom);
    return context;
  }

  /** An element with attributes, listeners (on...) and children. */
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else if (value === true) made.setAttribute(name, "");
      else if (value !== false && value !== null) made.setAttribute(name, value);
    }
    made.append(...children.filter((child) => child !== null));
    return made;
  }

  /** A number as people read it. */
  function number(v) {
    if (!Number.isFinite(v)) return String(v);
    const size = Math.abs(v);
    if (size >= 1e4 || (size < 1e-3 && size > 0)) return v.toExponential(1).replace("-", "−");
    return v.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3).replace("-", "−");
  }

  return { useTheme, most, strip, sized, map, picture, element, number };
})();
