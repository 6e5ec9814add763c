// Prepares drawings in Node as a page does: node digits.js FOLDER SOURCES, where drawings.bin has
// COUNT drawings of SIDE x SIDE bytes, and facts.json says so; digits.bin is written, and
// inputs.bin, what the network would be given.
"use strict";

const fs = require("fs");
const path = require("path");

const [folder, sources] = process.argv.slice(2);
const Picture = require(path.join(sources, "picture.js"));
const facts = JSON.parse(fs.readFileSync(path.join(folder, "facts.json")));
const drawings = fs.readFileSync(path.join(folder, "drawings.bin"));
const { side, count, placement } = facts;
const digits = [], inputs = [];
const start = Date.now();
for (let k = 0; k < count; k++) {
  const drawing = new Uint8Array(drawings.subarray(k * side * side, (k + 1) * side * side));
  const digit = Picture.prepareDigit(drawing, side, side, placement);
  digits.push(Buffer.from(digit));
  inputs.push(Buffer.from(Picture.standardised(digit, 1, 28, 28, facts).buffer));
}
console.log((Date.now() - start) / count);
fs.writeFileSync(path.join(folder, "digits.bin"), Buffer.concat(digits));
fs.writeFileSync(path.join(folder, "inputs.bin"), Buffer.concat(inputs));
