// Other pictures than drawn ones: test images by number, the run's errors, and files.
"use strict";

const Sources = (() => {
  const { element } = Paint;
  const SIDE = 640; // of a picture from a file, its longer side at most

  /** Test images in `place`; given(bytes, h, w, channels, note) takes one. */
  function tests(place, pictures, classes, given) {
    const [channels, h, w] = pictures.shape, size = channels * h * w, { numbers, labels } = pictures;
    const input = element("input", { type: "number", id: "number", min: "0", step: "1", value: String(numbers[0]) });
    const said = element("p", { class: "soft", id: "true" });
    let at = -1, images = null;

    function show(k) {
      at = (k + numbers.length) % numbers.length;
      input.value = numbers[at];
      said.textContent = `test image ${numbers[at]} is: ${classes[labels[at]]}`;
      given(images.subarray(at * size, (at + 1) * size), h, w, channels, `test image of ${classes[labels[at]]}`);
    }

    /** The image of this number, or the next one that is here. */
    function nearest() {
      const wanted = Number(input.value), later = numbers.findIndex((n) => n >= wanted);
      show(later < 0 ? numbers.length - 1 : later);
    }

    const step = (by, text, label) =>
      element("button", { type: "button", "aria-label": label, onclick: () => show(at < 0 ? 0 : at + by) }, text);
    input.addEventListener("change", nearest);
    const row = element("div", { class: "row" }, element("label", {}, "test image", input),
      step(-1, "◀", "The test image before"), step(1, "▶", "The next test image"));
    place.append(row, said);
    const errors = element("div", { class: "thumbs", role: "group", "aria-label": "The worst errors of the run" });
    const heading = element("p", { class: "soft" }, "The run's worst errors: what they are → what it said");
    if (pictures.errors.length) place.append(heading, errors);

    Data.images(pictures).then((found) => {
      images = found;
      for (const error of pictures.errors) {
        const k = numbers.indexOf(error.index), canvas = element("canvas", { "aria-hidden": "true" });
        const part = Float32Array.from(images.subarray(k * size, (k + 1) * size), (v) => v / 255);
        Paint.picture(canvas, part, channels, h, w, 1);
        canvas.style.width = canvas.style.height = "";
        const said = `${classes[labels[k]]} → ${error.predicted}`;
        errors.append(element("button", { type: "button", title: `test image ${error.index}`, onclick: () => show(k) }, canvas, said));
      }
    }).catch(() => {
      row.replaceChildren(element("span", { class: "soft" }, "This browser is too old to unpack the test images."));
    });
    return { forget: () => (said.textContent = "") };
  }

  /** A place to drop, paste or choose a picture of any kind. */
  function files(place, channels, given) {
    const input = element("input", { type: "file", accept: "image/*", hidden: true, onchange: () => take(input.files[0]) });
    const text = element("span", {}, "Drop or paste a picture, or ");
    const button = element("button", { type: "button", id: "choose", onclick: () => input.click() }, "choose one");
    const zone = element("div", { class: "drop", tabindex: "0" }, text, button, input);
    place.append(zone);

    async function take(file) {
      if (!file || !file.type.startsWith("image/")) return;
      try {
        const bitmap = await createImageBitmap(file), scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
        const canvas = element("canvas", { width: Math.max(1, Math.round(bitmap.width * scale)), height: Math.max(1, Math.round(bitmap.height * scale)) });
        const context = canvas.getContext("2d");
        context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
        const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
        zone.querySelector("img")?.remove();
        zone.prepend(element("img", { src: canvas.toDataURL(), alt: `the picture ${file.name || ""}` }));
        given(Picture.fromCanvas(data, canvas.height, canvas.width, channels), canvas.height, canvas.width, channels, "");
      } catch {
        text.textContent = "That is no picture that this browser can read. Drop another, or ";
      }
    }

    const over = (is) => (event) => {
      event.preventDefault();
      zone.classList.toggle("over", is);
    };
    zone.addEventListener("dragover", over(true));
    zone.addEventListener("dragleave", over(false));
    zone.addEventListener("drop", (event) => {
      over(false)(event);
      take(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => {
      const item = [...event.clipboardData.items].find((i) => i.type.startsWith("image/"));
      if (item) take(item.getAsFile());
    });
  }

  return { tests, files };
})();
