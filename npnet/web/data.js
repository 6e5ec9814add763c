// What the page holds: networks, weights in base64, and test images as zlib's bytes.
"use strict";

const Data = (() => {
  function bytes(text) {
    const raw = atob(text), found = new Uint8Array(raw.length);
    for (let k = 0; k < raw.length; k++) found[k] = raw.charCodeAt(k);
    return found;
  }

  const element = (id) => document.getElementById(id);

  /** float32, little-endian whatever the machine. */
  function weights(id) {
    const found = bytes(element(id).textContent), view = new DataView(found.buffer);
    return Float32Array.from({ length: found.length / 4 }, (_, k) => view.getFloat32(4 * k, true));
  }

  /** float16, little-endian, as numbers. */
  function halves(id) {
    const found = bytes(element(id).textContent), view = new DataView(found.buffer);
    return Float32Array.from({ length: found.length / 2 }, (_, k) => half(view.getUint16(2 * k, true)));
  }

  /** Sign, five bits of exponent, ten of fraction: IEEE 754, binary16. */
  function half(bits) {
    const sign = bits & 0x8000 ? -1 : 1, exponent = (bits >> 10) & 31, fraction = bits & 1023;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return exponent ? sign * 2 ** (exponent - 15) * (1 + fraction / 1024) : sign * 2 ** -24 * fraction;
  }

  /** The images of `pictures` as bytes, a promise. */
  async function images(pictures) {
    const stream = new Blob([bytes(pictures.data)]).stream().pipeThrough(new DecompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
  }

  const all = () => JSON.parse(element("data").textContent);

  return { all, weights, halves, half, images };
})();

if (typeof module !== "undefined") module.exports = Data;
