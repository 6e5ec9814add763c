// The page as a whole: what is drawn or chosen goes through the networks, and all parts show it.
"use strict";

(() => {
  const { element } = Paint;
  const by = (id) => document.getElementById(id);
  const data = Data.all();

  // What all parts look at; values, picture and probabilities are those of the last picture.
  const shown = data.networks.map((facts, n) => {
    const best = Data.weights(`weights-${n}`);
    const net = Forward.load(facts.graph, best);
    return { name: facts.name, facts, net, best, values: null, picture: null, probabilities: null };
  });
  const [first] = shown, [channels] = first.facts.image_shape;
  const state = { bytes: null, h: 0, w: 0, note: "", selected: null, ahead: false };

  // ---- parts -----------------------------------------------------------------------------------

  const answer = Answer.make(by("bars"), by("answer"), shown);
  const seen = Answer.seen(by("seen"), shown, () => compute());
  const layers = Layers.make(by("layers"), shown, select);
  const isGrey = channels === 1;
  const pad = isGrey ? Ink.make(by("drawing"), drawn) : null;
  const tests = data.pictures && Sources.tests(by("sources"), data.pictures, first.facts.classes, given);
  if (first.facts.placement === null) Sources.files(by("sources"), channels, given);
  if (data.story) {
    by("story").hidden = false;
    Story.make(by("story"), data.story, useWeights);
  }

  // ---- what goes in ----------------------------------------------------------------------------

  /** Something was drawn. Computes once a frame, and not while a frame is late. */
  function drawn() {
    if (state.ahead) return;
    state.ahead = true;
    requestAnimationFrame(() => {
      state.ahead = false;
      tests?.forget();
      try {
        if (pad.isEmpty()) throw new Picture.NothingToRead("draw something");
        const { placement } = first.facts, bytes = pad.bytes();
        if (placement === null) take(bytes, Ink.SIDE, Ink.SIDE, "");
        else take(Picture.prepareDigit(bytes, Ink.SIDE, Ink.SIDE, placement), Picture.SIDE, Picture.SIDE, "");
      } catch (error) {
        if (!(error instanceof Picture.NothingToRead)) throw error;
        nothing(error.message);
      }
    });
  }

  /** A picture from elsewhere: bytes (channels, h, w). */
  function given(bytes, h, w, _, note) {
    pad?.clear();
    take(bytes, h, w, note);
  }

  function take(bytes, h, w, note) {
    Object.assign(state, { bytes, h, w, note });
    compute();
  }

  function nothing(text) {
    state.bytes = null;
    for (const each of shown) {
      each.values = null;
      each.picture = new Float32Array(Forward.size(each.net.shape)).map((_, at) => {
        const { mean, std } = each.facts, c = Math.floor((at * mean.length) / Forward.size(each.net.shape));
        return -mean[c] / std[c];
      });
      each.probabilities = new Float32Array(each.facts.classes.length);
    }
    answer.empty(text);
    seen.show(null);
    layers.repaint();
    close();
  }

  // ---- what comes out --------------------------------------------------------------------------

  function run(each, picture) {
    each.picture = picture;
    each.values = Forward.run(each.net, picture);
    each.probabilities = Forward.probabilities(each.net, each.values);
  }

  function compute() {
    if (state.bytes === null) {
      nothing(isGrey ? "draw something" : "choose a picture");
      return;
    }
    let before = null;
    for (const each of shown) {
      const picture = Picture.standardised(state.bytes, channels, state.h, state.w, each.facts);
      run(each, picture);
      if (seen.patch) {
        if (each === first) before = each.probabilities;
        run(each, covered(picture, each.net.shape, seen.patch));
      }
    }
    answer.show(state.note);
    seen.show(before);
    layers.repaint();
    if (state.selected) inspect();
  }

  /** A picture whose part is the mean colour, as npnet's occlusion has it: 0 once standardised. */
  function covered(picture, [, depth, h, w], { top, left, bottom, right }) {
    const found = new Float32Array(picture);
    for (let c = 0; c < depth; c++)
      for (let r = top; r <= Math.min(bottom, h - 1); r++)
        found.fill(0, (c * h + r) * w + left, (c * h + r) * w + Math.min(right, w - 1) + 1);
    return found;
  }

  /** Other weights for the first network: those of an epoch, or null for the best ones. */
  function useWeights(weights) {
    first.net.tensors = Forward.load(first.facts.graph, weights || first.best).tensors;
    layers.repaintWeights();
    if (state.bytes) compute();
  }

  // ---- one unit --------------------------------------------------------------------------------

  function select(n, layer, unit) {
    if (shown[n].values === null) return;
    state.selected = { n, layer, unit };
    by("inspector").hidden = false;
    document.querySelector("main").classList.remove("alone");
    document.querySelector("main").classList.add("open");
    inspect();
  }

  function inspect() {
    const { n, layer, unit } = state.selected, { net } = shown[n];
    Inspector.show(by("why"), shown[n], layer, unit);
    const marks = [{ n, layer, ...spot(net.layers[layer].shape, unit) }];
    for (const group of Terms.of(net, shown[n].values, shown[n].picture, layer, unit).groups) {
      const terms = group.terms.filter(Boolean);
      const places = terms.map((t) => t.layer >= 0 && spot(net.layers[t.layer].shape, t.unit)).filter(Boolean);
      if (places.length) marks.push({ n, layer: terms[0].layer, ...joined(places) });
    }
    layers.mark(merged(marks));
  }

  /** The place of a unit, as what is outlined. */
  function spot(shape, unit) {
    const { channel, row, column } = Terms.placeOf(shape, unit);
    return { from: channel, to: channel, top: row, left: column, bottom: row, right: column };
  }

  function joined(spots) {
    const all = { ...spots[0] };
    for (const s of spots) {
      for (const name of ["from", "top", "left"]) all[name] = Math.min(all[name], s[name]);
      for (const name of ["to", "bottom", "right"]) all[name] = Math.max(all[name], s[name]);
    }
    return all;
  }

  /** One mark for each layer. */
  function merged(marks) {
    const found = new Map();
    for (const mark of marks) {
      const other = found.get(mark.layer);
      found.set(mark.layer, other ? { ...mark, ...joined([other, mark]) } : mark);
    }
    return [...found.values()];
  }

  function close() {
    state.selected = null;
    by("inspector").hidden = true;
    document.querySelector("main").classList.add("alone");
    document.querySelector("main").classList.remove("open");
    layers.mark([]);
  }

  by("close").addEventListener("click", close);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && state.selected) close();
  });

  // ---- the frame -------------------------------------------------------------------------------

  function theme(name) {
    document.documentElement.dataset.theme = name;
    Paint.useTheme(name);
    layers.repaint();
    layers.repaintWeights();
    if (state.selected) inspect();
    if (first.picture) seen.show(null);
  }

  const dark = matchMedia("(prefers-color-scheme: dark)");
  dark.addEventListener("change", () => theme(dark.matches ? "dark" : "light"));
  by("theme").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));

  const deep = first.net.layers.length > 24;
  by("about").textContent = shown.map(({ name, facts: { dataset, epoch, val_accuracy: accuracy } }) => {
    const parts = shown.length > 1 ? [name] : [`trained on ${dataset}`, `epoch ${epoch}`];
    if (accuracy !== null) parts.push(`${accuracy.toFixed(2)} % on validation images`);
    return parts.join(" · ");
  }).join("; ");
  by("legend").textContent = "Orange is above 0, blue below. Touch a unit, and see what it did.";
  if (shown.length > 1) document.body.classList.add("two");
  for (const [value, text] of [["all", "every layer"], ["activations", "activations and pools"], ["main", "convolutions and full layers"]])
    by("which").append(element("option", { value, selected: value === (deep ? "activations" : "all") }, text));
  by("which").addEventListener("change", () => layers.build(by("which").value));
  new ResizeObserver(() => {
    layers.arrange();
    layers.repaint();
  }).observe(by("layers"));

  document.querySelector("main").classList.add("alone");
  layers.build(by("which").value);
  theme(dark.matches ? "dark" : "light");
  compute();

  // For those who look deeper: the console, and the tests of npnet.
  window.explorer = { shown, state };
})();
