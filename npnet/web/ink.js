// A pad to draw on: light strokes on black, by mouse, finger or pen.
"use strict";

const Ink = (() => {
  const SIDE = 280; // pixels, whatever it measures on the screen
  const { element } = Paint;

  /** Puts the pad into `place`; changed() is called when what is drawn changes. */
  function make(place, changed) {
    const canvas = element("canvas", {
      width: SIDE, height: SIDE, id: "pad", tabindex: "0", role: "img",
      "aria-label": "Drawing area. Draw with the mouse, a finger or a pen. Without one of them, choose a test image below.",
    });
    const hint = element("div", { class: "hint", "aria-hidden": "true" }, "draw something");
    const undo = element("button", { type: "button", id: "undo", onclick: () => keep(strokes.slice(0, -1)) }, "Undo");
    const clear = element("button", { type: "button", id: "clear", onclick: () => keep([]) }, "Clear");
    const pen = element("input", { type: "range", id: "pen", min: "10", max: "36", value: "21", class: "grow" });
    place.append(
      element("div", { class: "pad" }, canvas, hint),
      element("div", { class: "row" }, undo, clear, element("label", { class: "grow" }, "pen", pen)),
    );
    const context = canvas.getContext("2d", { willReadFrequently: true });
    let strokes = [], current = null;

    function keep(next) {
      strokes = next;
      paint();
      changed();
    }

    function paint() {
      context.fillStyle = "#000";
      context.fillRect(0, 0, SIDE, SIDE);
      strokes.forEach(stroke);
      hint.hidden = strokes.length > 0;
      undo.disabled = clear.disabled = strokes.length === 0;
    }

    /** A smooth curve: through the middles of neighbouring points, bent towards the points. */
    function stroke({ points, width }) {
      context.strokeStyle = context.fillStyle = "#fff";
      context.lineWidth = width;
      context.lineCap = context.lineJoin = "round";
      const [[x, y]] = points;
      context.beginPath();
      if (points.length === 1) {
        context.arc(x, y, width / 2, 0, 2 * Math.PI);
        context.fill();
        return;
      }
      context.moveTo(x, y);
      for (let k = 1; k < points.length - 1; k++) {
        const [[x0, y0], [x1, y1]] = [points[k], points[k + 1]];
        context.quadraticCurveTo(x0, y0, (x0 + x1) / 2, (y0 + y1) / 2);
      }
      context.lineTo(...points[points.length - 1]);
      context.stroke();
    }

    function at(event) {
      const box = canvas.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * SIDE, ((event.clientY - box.top) / box.height) * SIDE];
    }

    canvas.addEventListener("pointerdown", (event) => {
      if (event.button > 0 || current !== null) return;
      event.preventDefault();
      canvas.setPointerCapture(event.pointerId);
      current = { id: event.pointerId, points: [at(event)], width: Number(pen.value) };
      keep([...strokes, current]);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (current === null || event.pointerId !== current.id) return;
      const events = event.getCoalescedEvents ? event.getCoalescedEvents() : [];
      for (const each of events.length ? events : [event]) current.points.push(at(each));
      paint();
      changed();
    });
    for (const name of ["pointerup", "pointercancel", "lostpointercapture"])
      canvas.addEventListener(name, (event) => {
        if (current !== null && event.pointerId === current.id) current = null;
      });
    canvas.addEventListener("keydown", (event) => {
      if (event.key === "z" && (event.ctrlKey || event.metaKey)) keep(strokes.slice(0, -1));
      else if (event.key === "Delete" || event.key === "Backspace") keep([]);
      else return;
      event.preventDefault();
    });
    paint();

    return {
      /** Whether anything is drawn. */
      isEmpty: () => strokes.length === 0,
      /** Bytes (SIDE, SIDE), light on black. */
      bytes() {
        const { data } = context.getImageData(0, 0, SIDE, SIDE), found = new Uint8Array(SIDE * SIDE);
        for (let k = 0; k < found.length; k++) found[k] = data[4 * k];
        return found;
      },
      /** Takes all strokes away, and tells nobody. */
      clear() {
        strokes = [];
        paint();
      },
    };
  }

  return { SIDE, make };
})();
