"use strict";
// The image browser: a case's maps, method beside method, one window, one zoom and one cursor for all of them.
(() => {
  const { h, label, load, choice: choose, openScene, gestures, controls, underCursor, TITLES, SHOWN } = ctpbench;
  const host = document.getElementById("browser");

  async function begin() {
    const [images, colours] = await Promise.all([load("images"), load("colours")]);
    if (images.levels.length) await browse(images, colours);
    else host.append(h("p", { class: "notice" }, nothing(images)));
  }

  function nothing(images) {
    if (images.cases === 0) return "This report was made without images (--cases 0).";
    if (images.without.length) return "A results.nc, or a folder of leaderboards/, holds no images: make the report from a run's own folder.";
    return "The run's cache holds no images any more.";
  }

  async function browse(images, colours) {
    const choice = choose(images);
    const { state } = choice;
    const shown = { choice, colours, scene: null, views: null };
    const act = { openCase, refresh, setSlice, moveCursor };
    const viewsHost = h("div", { class: "views" });
    const bars = h("div", { class: "bars" });
    shown.views = ctpbench.views(viewsHost, shown, (canvas) => gestures(canvas, shown, act));
    const form = controls(images, shown, act);
    const under = underCursor(shown);
    let turn = 0; // of the refreshes, of which the last wins
    host.append(
      ...leftOut(images),
      ...form.parts,
      viewsHost,
      bars,
      h("p", { class: "fine" }, "R is the patient's right. White line: infarct core; dotted: penumbra."),
      h("p", { class: "fine keys" }, "Drag to move (in a swipe: its line), Shift and drag for the window, Ctrl and wheel (or + and −) to zoom, 0 to reset; arrow keys move the cursor, Page Up and Page Down (or Alt and wheel) change the slice."),
      h("h2", {}, "Under the cursor"),
      ...under.parts,
    );
    await openCase();

    async function openCase() {
      const chosen = choice.case();
      state.level = choice.level().key;
      state.case = chosen.case;
      const scene = await openScene(chosen);
      if (choice.case() !== chosen) return; // another was chosen meanwhile
      const [, height, width] = scene.base.shape;
      shown.scene = scene;
      choice.fit(scene);
      shown.views.look.cursor = [Math.floor(width / 2), Math.floor(height / 2)];
      form.fill();
      await refresh();
    }

    async function refresh() {
      const mine = ++turn;
      const { scene } = shown;
      const reference = state.show === "map" ? null : scene.columns.get(state.show);
      await Promise.all([...choice.columnsOf(scene), reference].filter(Boolean).map((column) => scene.read(column, state.map)));
      if (mine !== turn || scene !== shown.scene) return;
      choice.keep();
      shown.views.build();
      shown.views.draw();
      drawBars();
      form.tell();
      tell();
    }

    function tell() {
      shown.views.tell();
      under.tell();
    }

    function moveCursor(x, y) {
      shown.views.moveCursor(x, y);
      tell();
    }

    function setSlice(slice) {
      state.slice = Math.min(Math.max(slice, 0), shown.scene.base.slices.length - 1);
      refresh();
    }

    function drawBars() {
      const unit = shown.scene.base.maps[state.map].units;
      const kinds = state.show === "map" ? [false] : [false, true];
      bars.replaceChildren(...kinds.map((difference) => bar(shown.views.windowOf(difference), shown.views.tableOf(difference), `${TITLES[state.map]}${difference ? `, ${SHOWN[state.show]}` : ""} (${unit})`)));
    }
  }

  function leftOut(images) {
    const notes = [];
    if (images.without.length) notes.push(h("p", { class: "fine" }, "Without images, for only results are there: ", label(images.without.join(", "))));
    if (images.left_out) notes.push(h("p", { class: "notice" }, `${images.left_out} images were left out: all of them may take ${images.mib} MiB. ctpbench report --image-mib takes more.`));
    return notes;
  }

  // A bar of the colours from one end of a window to the other.
  function bar([low, high], table, title) {
    const canvas = h("canvas", { width: 256, height: 1, "aria-hidden": "true" });
    const image = new ImageData(256, 1);
    for (let i = 0; i < 256; i++) image.data.set([table[3 * i], table[3 * i + 1], table[3 * i + 2], 255], 4 * i);
    canvas.getContext("2d").putImageData(image, 0, 0);
    const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => h("span", {}, Number((low + share * (high - low)).toPrecision(3)).toString().replace("-", "−")));
    return h("figure", {}, canvas, h("div", { class: "ticks" }, ...ticks), h("figcaption", {}, title));
  }

  begin().catch((error) => host.append(h("p", { class: "notice" }, error.message)));
})();
