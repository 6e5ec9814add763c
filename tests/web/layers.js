// Computes in Node what a page would: node layers.js FOLDER [gradient of this output].
//
// The folder holds graph.json, weights.bin and picture.bin; values.bin is written, all layers'
// results in a row, and gradient.bin, of an output with respect to the picture.
"use strict";

const fs = require("fs");
const path = require("path");

const [folder, sources, unit] = process.argv.slice(2);
const Forward = require(path.join(sources, "forward.js"));
const read = (name) => fs.readFileSync(path.join(folder, name));
const floats = (name) => {
  const data = read(name);
  return new Float32Array(data.buffer.slice(data.byteOffset, data.byteOffset + data.length));
};

const net = Forward.load(JSON.parse(read("graph.json")), floats("weights.bin"));
const picture = floats("picture.bin");
const values = Forward.run(net, picture);
const out = fs.openSync(path.join(folder, "values.bin"), "w");
for (const value of values) fs.writeSync(out, Buffer.from(value.buffer, value.byteOffset, value.byteLength));
fs.closeSync(out);
if (unit !== undefined) {
  const Backward = require(path.join(sources, "backward.js"));
  const gradient = Backward.ofUnit(net, values, picture, net.output, Number(unit));
  fs.writeFileSync(path.join(folder, "gradient.bin"), Buffer.from(gradient.buffer));
}
