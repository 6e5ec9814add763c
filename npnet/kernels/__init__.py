"""Loops over arrays, compiled: arrays and numbers in, arrays out. Nothing here knows of the tape.

The words of this room, of 40 images (N, C, H, W) = (40, 3, 32, 32):

- A **lane** is one of the sixteen numbers of a vector register. Lane l is an image: a vector holds
  one pixel of one channel of sixteen images. In `channel_lanes` and `turned_gradient`, lane l is a
  channel.
- A **block** is sixteen images in lanes, (3, 32, 32, 16). 40 images are three blocks, an array
  (3, 3, 32, 32, 16); the last eight lanes of the third hold anything, and count for nothing.
- A **plane** is one channel of a block, (32, 32, 16): there are nine. Pooling takes planes.
- A **span** is a run of floats, whatever they are: the 147,456 floats of these blocks are 36 spans
  of 4096. Activations and optimizers take spans.
- A **slot** is a thread's own place in an array whose first axis is S, for what lives no longer
  than the work on a block or an item. For two threads, blocks in slots are (2, 3, 32, 32, 16).

Of a convolution with weights (O, C, KH, KW) = (20, 3, 5, 5), whose result is (3, 20, 28, 28, 16):

- A **tap** is one place (u, v) of a window, of which there are 25.
- A **tile** is what stays in registers while sums run: rows x columns of vectors, such as 8 outputs
  x 2 pixels, see `simd.TileShape`. In `winograd` it is 4x4 pixels of the result, too.
- A **panel** is the weights that a tile multiplies by, side by side: 20 outputs in tiles of 8 rows
  are three panels (3, C, KH, KW, 8), with zeros for the last four rows.
- A **phase** is every n-th row or column, that windows see by the same taps: with stride 2, the
  gradient by the pixels has an even and an odd one along each axis.
- A **strip** is some rows of a block's images, or some of its tiles, few enough for the cache.
- A **chunk** is a part of the batch whose gradients by weights are added up by themselves: three
  blocks are three chunks, eight blocks or more eight, whatever the threads are. Then the chunks are
  added up in their order, so any number of threads gives the same bits.
- A **part** is a piece of any of these: some pixels of a strip, some tiles of a chunk.

An **item** is what a task does in one call, and what threads share: a block, a plane, a span, a
row, a strip or a chunk; `_task` says how it is declared what a task takes. A **plan** is a
NamedTuple of numbers and tables by which a kernel walks; `lanes` makes it, and room for scratch
beside it. A `Phase` of a `program` is another thing: calls that begin when those before are done.
"""
