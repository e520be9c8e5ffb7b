"use strict";
// The image browser: a case's maps, method beside method, one window, one zoom and one cursor for all of them.
(() => {
  const { h, label, table, load, select, readState, writeState, rounded, isNumber, draw, colour, dash, plain, pixels } = ctpbench;
  const host = document.getElementById("browser");
  const PALETTES = { perceptual: "perceptual", asist: "clinic (ASIST)", gray: "grey" };
  const TITLES = { cbf: "CBF", cbv: "CBV", mtt: "MTT", ttp: "TTP", tmax: "Tmax" };
  const SHOWN = { map: "maps", noiseless: "difference from noiseless", truth: "difference from the truth" };
  const FIRST_ROWS = 3;
  const FILM_MS = 250;

  let images, colours;
  let scene = null; // the case that is shown: its file, its columns by key
  const state = { level: "", case: "", map: "cbf", show: "map", colours: "perceptual", columns: [], swipe: false, outline: true, slice: 0, low: null, high: null };
  const view = { zoom: 1, x: 0, y: 0, cursor: null, divider: 0.5, film: null };
  const parts = {};

  async function begin() {
    [images, colours] = await Promise.all([load("images"), load("colours")]);
    if (!images.levels.length) {
      host.append(h("p", { class: "notice" }, nothing()));
      return;
    }
    const given = Object.fromEntries(readState());
    for (const name of ["level", "case", "map", "show", "colours"]) if (given[name]) state[name] = given[name];
    if (!Object.hasOwn(PALETTES, state.colours)) state.colours = "perceptual";
    if (!Object.hasOwn(SHOWN, state.show)) state.show = "map";
    if (!Object.hasOwn(TITLES, state.map)) state.map = "cbf";
    state.columns = given.columns?.split(",") ?? [];
    if (given.row) state.columns = ["truth", "noiseless", given.row];
    state.swipe = given.swipe === "1";
    state.outline = given.outline !== "0";
    state.slice = Number.parseInt(given.slice ?? "", 10) || 0;
    for (const end of ["low", "high"]) state[end] = given[end] !== undefined && isNumber(Number(given[end])) ? Number(given[end]) : null;
    layOut();
    await openCase();
  }

  function nothing() {
    if (images.cases === 0) return "This report was made without images (--cases 0).";
    if (images.without.length) return "A results.nc, or a folder of leaderboards/, holds no images: make the report from a run's own folder.";
    return "The run's cache holds no images any more.";
  }

  const fullest = () => images.levels.toSorted((one, other) => other.cases[0].rows.length - one.cases[0].rows.length)[0];
  const levelOf = () => images.levels.find((one) => one.key === state.level) ?? fullest();
  const caseOf = () => levelOf().cases.find((one) => one.case === state.case) ?? levelOf().cases[Math.floor((levelOf().cases.length - 1) / 2)];

  // -- the case's numbers ---------------------------------------------------------------------------------------------

  async function openCase() {
    const level = levelOf();
    const chosen = caseOf();
    state.level = level.key;
    state.case = chosen.case;
    const base = await load(chosen.file);
    if (caseOf() !== chosen) return; // another was chosen meanwhile
    const columns = new Map();
    for (const name of ["truth", "noiseless"])
      if (base.columns[name]) columns.set(name, { key: name, label: referenceLabel(name, base, chosen), tiles: base.columns[name], curve: base.curves[name], values: {} });
    for (const row of chosen.rows) if (!(row.label === "noiseless" && columns.has("noiseless"))) columns.set(row.key, { key: row.key, label: row.label, file: row.file, values: {} });
    scene = { base, columns, flags: await pixels.flags(base.masks), curves: {}, outlines: new Map(), from: chosen };
    const fitting = state.columns.filter((key) => columns.has(key));
    state.columns = fitting.length ? fitting : usualColumns(chosen, columns);
    state.slice = Math.min(state.slice, base.slices.length - 1) || 0;
    view.cursor = middle();
    fillControls();
    await refresh();
  }

  function referenceLabel(name, base, chosen) {
    if (name === "truth") return base.resolved ? "truth, as the scanner resolves it" : name;
    return chosen.ways ? `noiseless, ${base.way}` : name; // there are as many as ways to compute maps
  }

  function usualColumns(chosen, columns) {
    const rows = chosen.rows.filter((row) => columns.has(row.key));
    const none = rows.find((row) => row.label === "none");
    const first = rows.filter((row) => row !== none).slice(0, FIRST_ROWS);
    return ["truth", "noiseless"].filter((key) => columns.has(key)).concat(first.map((row) => row.key), none ? [none.key] : []);
  }

  function middle() {
    const [, height, width] = scene.base.shape;
    return [Math.floor(width / 2), Math.floor(height / 2)];
  }

  async function opened(column) {
    if (!column.tiles) {
      const row = await load(column.file);
      column.tiles = row.maps;
      column.curve = row.curve;
      if (row.noiseless) column.own = { tiles: row.noiseless, values: {} };
    }
    return column;
  }

  async function valuesOf(column, map) {
    await opened(column);
    if (column.tiles[map] && !column.values[map]) column.values[map] = await pixels.values(column.tiles[map]);
    if (column.own && state.show === "noiseless") await valuesOf(column.own, map);
    return column.values[map];
  }

  const size = () => scene.base.shape[1] * scene.base.shape[2];
  const sliceOf = (values) => values?.subarray(state.slice * size(), (state.slice + 1) * size());

  // What a column shows: its map, or what it differs by from a reference that is no column like others then.
  function shownSlice(column) {
    const own = sliceOf(column.values[state.map]);
    if (!isDifference(column) || !own) return own;
    // a row whose maps are computed in another way has noiseless maps of its own
    const against = (state.show === "noiseless" && column.own) || scene.columns.get(state.show);
    const reference = sliceOf(against?.values[state.map]);
    return reference && Float32Array.from(own, (value, i) => value - reference[i]);
  }

  const isDifference = (column) => state.show !== "map" && column.key !== state.show;

  function windowOf(difference) {
    const high = scene.base.maps[state.map].high;
    if (difference) {
      const reach = state.show === "map" ? high / 4 : (state.high ?? high / 4);
      return [-reach, reach];
    }
    if (state.show !== "map") return [0, high];
    return [state.low ?? 0, state.high ?? high];
  }

  function coloursOf(difference) {
    if (difference) return colours.RdBu_r;
    if (state.colours !== "perceptual") return colours[state.colours];
    return colours[state.map === "cbf" || state.map === "cbv" ? "inferno" : "viridis"];
  }

  // -- controls -------------------------------------------------------------------------------------------------------

  function layOut() {
    parts.why = h("p", { class: "fine" });
    parts.controls = h("form", { class: "filters", "aria-label": "What to show", onsubmit: (event) => event.preventDefault() });
    parts.columns = h("div", { class: "rows-choice" });
    parts.views = h("div", { class: "views" });
    parts.bars = h("div", { class: "bars" });
    parts.position = h("p", { role: "status" });
    parts.values = h("div");
    parts.plot = h("div", { class: "plot", "aria-hidden": "true" });
    parts.curves = h("div");
    parts.note = h("p", { class: "fine" });
    host.append(
      ...lines(),
      parts.controls,
      parts.why,
      h("details", {}, h("summary", {}, "Which methods"), parts.columns),
      parts.views,
      parts.bars,
      h("p", { class: "fine" }, "Drag to move (in a swipe: its line), Shift and drag for the window, Ctrl and wheel (or + and −) to zoom, 0 to reset; arrow keys move the cursor, Page Up and Page Down (or Alt and wheel) change the slice. R is the patient's right. White line: infarct core; dotted: penumbra."),
      h("h2", {}, "Under the cursor"),
      parts.position,
      parts.values,
      h("figure", { class: "figure" }, h("figcaption", {}, "Enhancement over time"), parts.plot, parts.note, h("details", { ontoggle: fillCurveTable }, h("summary", {}, "The numbers as a table"), parts.curves)),
    );
    new ResizeObserver(() => scene && drawViews()).observe(parts.views);
  }

  function lines() {
    const notes = [];
    if (images.without.length) notes.push(h("p", { class: "fine" }, "Without images, for only results are there: ", label(images.without.join(", "))));
    if (images.left_out) notes.push(h("p", { class: "notice" }, `${images.left_out} images were left out: all of them may take ${images.mib} MiB. ctpbench report --image-mib takes more.`));
    return notes;
  }

  function fillControls() {
    const { base, columns } = scene;
    const level = levelOf();
    const several = new Set(images.levels.map((one) => one.run)).size > 1;
    const maps = Object.keys(base.maps).filter((name) => [...columns.values()].some((column) => !column.tiles || column.tiles[name]));
    const check = (title, name, change) =>
      h("label", { class: "check" }, h("input", { type: "checkbox", checked: state[name], onchange: (event) => { state[name] = event.target.checked; change(); } }), h("span", {}, title));
    const count = base.slices.length;
    parts.low = h("input", { type: "number", class: "narrow", step: "any", onchange: () => windowTyped() });
    parts.high = h("input", { type: "number", class: "narrow", step: "any", onchange: () => windowTyped() });
    parts.slice = h("input", { type: "range", min: 0, max: count - 1, step: 1, value: state.slice, oninput: (event) => setSlice(Number(event.target.value)) });
    parts.film = h("button", { type: "button", "aria-pressed": "false", onclick: film }, "Film");
    parts.divider = h("input", { type: "range", min: 0, max: 100, value: 50, oninput: (event) => { view.divider = event.target.value / 100; drawViews(); } });
    const references = Object.entries(SHOWN).filter(([name]) => name === "map" || columns.has(name));
    parts.controls.replaceChildren(
      select("Level", images.levels.map((one) => [one.key, several ? `${one.run}: ${one.level}` : one.level]), level.key, (key) => { state.level = key; const same = levelOf().cases.some((one) => one.case === state.case); if (!same) state.case = ""; state.columns = sameLabels(); openCase(); }),
      select("Case", level.cases.map((one) => [one.case, one.case]), state.case, (name) => { state.case = name; openCase(); }),
      select("Map", maps.map((name) => [name, TITLES[name] ?? name]), state.map, (name) => { state.map = name; state.low = state.high = null; refresh(); }),
      select("Show", references, state.show, (name) => { state.show = name; state.low = state.high = null; refresh(); }),
      select("Colours", Object.entries(PALETTES), state.colours, (name) => { state.colours = name; refresh(); }),
      h("label", {}, h("span", {}, "Window from"), parts.low),
      h("label", {}, h("span", {}, "to"), parts.high),
      h("button", { type: "button", onclick: () => { state.low = state.high = null; Object.assign(view, { zoom: 1, x: 0, y: 0 }); refresh(); } }, "Reset"),
      h("button", { type: "button", "aria-label": "Zoom in", onclick: () => zoomBy(1.4) }, "+"),
      h("button", { type: "button", "aria-label": "Zoom out", onclick: () => zoomBy(1 / 1.4) }, "−"),
      ...(count > 1 ? [h("label", {}, h("span", {}, "Slice"), parts.slice), parts.film] : []),
      check("Lesion outline", "outline", refresh),
      check("Swipe between two", "swipe", () => { fillColumns(); refresh(); }),
    );
    const slices = count > 1 ? `${count} slices${count < base.of ? ` of ${base.of}` : ""}` : base.of > 1 ? `1 slice of ${base.of}` : "1 slice";
    const shown = level.cases.length < level.of ? `; ${level.cases.length} of the level's ${level.of} cases are here, ctpbench report --cases ${level.of} takes all` : "";
    parts.why.replaceChildren(label(`${scene.from.case}${scene.from.why ? `: ${scene.from.why}` : ""}`), ` (${slices})${shown}.`);
    fillColumns();
  }

  // The same methods at another level have other keys.
  function sameLabels() {
    const labels = new Set(state.columns.map((key) => scene.columns.get(key)?.label));
    return ["truth", "noiseless"].filter((key) => state.columns.includes(key)).concat(caseOf().rows.filter((row) => labels.has(row.label)).map((row) => row.key));
  }

  function fillColumns() {
    const { columns } = scene;
    const options = [...columns.values()].map((column) => [column.key, column.label]);
    if (state.swipe) {
      const two = () => [...state.columns, ...columns.keys()].filter((key, i, all) => all.indexOf(key) === i).slice(0, 2);
      const pair = state.pair?.every((key) => columns.has(key)) ? state.pair : rivals(two());
      state.pair = pair;
      parts.columns.replaceChildren(
        select("Left", options, pair[0], (key) => { state.pair = [key, pair[1]]; fillColumns(); refresh(); }),
        select("Right", options, pair[1], (key) => { state.pair = [pair[0], key]; fillColumns(); refresh(); }),
      );
      parts.columns.parentElement.open = true;
      return;
    }
    parts.columns.replaceChildren(
      ...options.map(([key, text]) => {
        const box = h("input", { type: "checkbox", checked: state.columns.includes(key), onchange: (event) => {
          const chosen = new Set(state.columns);
          chosen[event.target.checked ? "add" : "delete"](key);
          state.columns = options.map(([one]) => one).filter((one) => chosen.has(one));
          refresh();
        } });
        return h("label", {}, box, label(text));
      }),
    );
  }

  // Two methods rather than a method and a reference, where two are shown.
  function rivals(usual) {
    const methods = state.columns.filter((key) => key !== "truth" && key !== "noiseless");
    return methods.length > 1 ? methods.slice(0, 2) : usual;
  }

  function windowTyped() {
    const low = parts.low.valueAsNumber;
    const high = parts.high.valueAsNumber;
    if (state.show === "map") {
      if (isNumber(low) && isNumber(high) && low < high) Object.assign(state, { low, high });
    } else if (isNumber(high) && high > 0) state.high = high;
    refresh();
  }

  function setSlice(slice) {
    state.slice = Math.min(Math.max(slice, 0), scene.base.slices.length - 1);
    parts.slice.value = state.slice;
    refresh();
  }

  function film() {
    if (view.film !== null) {
      clearInterval(view.film);
      view.film = null;
    } else view.film = setInterval(() => setSlice((state.slice + 1) % scene.base.slices.length), FILM_MS);
    parts.film.setAttribute("aria-pressed", String(view.film !== null));
    parts.film.textContent = view.film === null ? "Film" : "Stop";
  }

  function zoomBy(factor) {
    view.zoom = Math.min(Math.max(view.zoom * factor, 1), 24);
    if (view.zoom === 1) view.x = view.y = 0;
    drawViews();
  }

  // -- views ----------------------------------------------------------------------------------------------------------

  const chosenColumns = () => (state.swipe ? state.pair : state.columns).map((key) => scene.columns.get(key)).filter(Boolean);

  let turn = 0;
  async function refresh() {
    const mine = ++turn;
    const here = scene;
    const needed = [...chosenColumns(), ...(state.show === "map" ? [] : [here.columns.get(state.show)])].filter(Boolean);
    await Promise.all(needed.map((column) => valuesOf(column, state.map)));
    if (mine !== turn || here !== scene) return;
    keep();
    buildViews();
    drawViews();
    drawBars();
    tell();
  }

  function keep() {
    writeState({
      level: state.level, case: state.case, map: state.map, show: state.show, colours: state.colours, slice: state.slice || "",
      columns: state.columns.join(","), swipe: state.swipe ? "1" : "", outline: state.outline ? "" : "0", low: state.low ?? "", high: state.high ?? "",
    });
  }

  function buildViews() {
    const columns = chosenColumns();
    const key = `${state.swipe} ${columns.map((column) => column.key).join()} ${scene.from.file}`;
    if (parts.views.dataset.key === key) return;
    parts.views.dataset.key = key;
    parts.views.classList.toggle("swiped", state.swipe);
    const groups = state.swipe ? [columns] : columns.map((column) => [column]);
    parts.list = groups.map((group) => {
      const canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": `${group.map((column) => column.label).join(" and ")}: image` });
      const outputs = group.map(() => h("output"));
      const caption = h("figcaption", {}, ...group.flatMap((column, i) => [h("bdi", { title: column.label }, column.label), outputs[i]]));
      const stage = h("div", { class: "stage" }, canvas, h("span", { class: "side right", "aria-hidden": "true" }, "R"), h("span", { class: "side left", "aria-hidden": "true" }, "L"));
      const figure = h("figure", { class: "view" }, caption, stage);
      if (state.swipe) figure.append(h("label", { class: "swipe" }, h("span", { class: "unseen" }, "Where the left image ends"), parts.divider));
      listen(canvas);
      return { columns: group, canvas, outputs, figure };
    });
    parts.views.replaceChildren(...(parts.list.length ? parts.list.map((one) => one.figure) : [h("p", {}, "Choose a method.")]));
  }

  function geometry(canvas) {
    const [, height, width] = scene.base.shape;
    const [, dy, dx] = scene.base.spacing;
    const ratio = (height * dy) / (width * dx);
    const wide = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
    const high = Math.max(1, Math.round(wide * ratio));
    const sx = (wide / width) * view.zoom;
    const sy = (high / height) * view.zoom;
    return { wide, high, sx, sy, left: wide / 2 - (width / 2 + view.x) * sx, top: high / 2 - (height / 2 + view.y) * sy, ratio };
  }

  function drawViews() {
    for (const one of parts.list ?? []) drawView(one);
  }

  function drawView({ columns, canvas }) {
    const at = geometry(canvas);
    canvas.style.aspectRatio = `1 / ${at.ratio}`;
    if (canvas.width !== at.wide) canvas.width = at.wide;
    if (canvas.height !== at.high) canvas.height = at.high;
    const context = canvas.getContext("2d");
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, at.wide, at.high);
    columns.forEach((column, i) => {
      context.save();
      if (columns.length > 1) {
        const edge = at.wide * view.divider;
        context.beginPath();
        context.rect(i ? edge : 0, 0, i ? at.wide - edge : edge, at.high);
        context.clip();
      }
      paint(context, column, at);
      context.restore();
    });
    if (columns.length > 1) {
      context.fillStyle = "#fff";
      context.fillRect(at.wide * view.divider - devicePixelRatio, 0, 2 * devicePixelRatio, at.high);
    }
    drawOutlines(context, at);
    drawCursor(context, at);
  }

  function paint(context, column, at) {
    const [, height, width] = scene.base.shape;
    const slice = shownSlice(column);
    if (!slice) {
      context.fillStyle = "#9aa6b0";
      context.font = `${14 * devicePixelRatio}px system-ui`;
      context.fillText("no such map", 12 * devicePixelRatio, 28 * devicePixelRatio);
      return;
    }
    const difference = isDifference(column);
    const small = new OffscreenCanvas(width, height);
    small.getContext("2d").putImageData(pixels.painted(slice, width, height, ...windowOf(difference), coloursOf(difference)), 0, 0);
    context.imageSmoothingEnabled = false;
    context.setTransform(at.sx, 0, 0, at.sy, at.left, at.top);
    context.drawImage(small, 0, 0);
    context.setTransform(1, 0, 0, 1, 0, 0);
  }

  function drawOutlines(context, at) {
    if (!state.outline) return;
    const [, height, width] = scene.base.shape;
    const key = state.slice;
    if (!scene.outlines.has(key)) {
      const bits = scene.flags.subarray(key * size(), (key + 1) * size());
      scene.outlines.set(key, [pixels.outline((i) => (bits[i] & 4) > 0, width, height), pixels.outline((i) => (bits[i] & 12) > 0, width, height)]);
    }
    const [core, lesion] = scene.outlines.get(key);
    const matrix = new DOMMatrix([at.sx, 0, 0, at.sy, at.left, at.top]);
    for (const [path, dashes] of [[lesion, [2, 4]], [core, []]]) {
      const moved = new Path2D();
      moved.addPath(path, matrix);
      context.lineCap = "round";
      context.setLineDash([]);
      if (!dashes.length) {
        context.strokeStyle = "rgb(0 0 0 / 70%)";
        context.lineWidth = 3 * devicePixelRatio;
        context.stroke(moved);
      }
      context.strokeStyle = "#fff";
      context.lineWidth = 1.3 * devicePixelRatio;
      context.setLineDash(dashes.map((length) => length * devicePixelRatio));
      context.stroke(moved);
    }
    context.setLineDash([]);
  }

  function drawCursor(context, at) {
    if (!view.cursor) return;
    const [x, y] = [at.left + (view.cursor[0] + 0.5) * at.sx, at.top + (view.cursor[1] + 0.5) * at.sy];
    const arm = 9 * devicePixelRatio;
    for (const [style, wide] of [["rgb(0 0 0 / 70%)", 3], ["#7fd4ff", 1.2]]) {
      context.strokeStyle = style;
      context.lineWidth = wide * devicePixelRatio;
      context.beginPath();
      for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
        context.moveTo(x + (dx * arm) / 3, y + (dy * arm) / 3);
        context.lineTo(x + dx * arm, y + dy * arm);
      }
      context.stroke();
    }
  }

  // -- pointer and keys -----------------------------------------------------------------------------------------------

  function voxel(canvas, event) {
    const box = canvas.getBoundingClientRect();
    const at = geometry(canvas);
    const x = ((event.clientX - box.left) / box.width) * at.wide;
    const y = ((event.clientY - box.top) / box.height) * at.high;
    return [Math.floor((x - at.left) / at.sx), Math.floor((y - at.top) / at.sy)];
  }

  function moveCursor(x, y) {
    const [, height, width] = scene.base.shape;
    view.cursor = [Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)];
    drawViews();
    tell();
  }

  function listen(canvas) {
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      from = { x: event.clientX, y: event.clientY, windowed: event.shiftKey, ends: windowOf(state.show !== "map") };
      moveCursor(...voxel(canvas, event));
    });
    canvas.addEventListener("pointerup", () => { from = null; });
    canvas.addEventListener("pointercancel", () => { from = null; });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) {
        moveCursor(...voxel(canvas, event));
        return;
      }
      const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
      if (from.windowed) {
        windowDragged(from.ends, dx / canvas.clientWidth, dy / canvas.clientHeight);
        return;
      }
      if (state.swipe) {
        const box = canvas.getBoundingClientRect();
        view.divider = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1);
        parts.divider.value = 100 * view.divider;
      } else if (view.zoom > 1) {
        const at = geometry(canvas);
        view.x -= ((event.clientX - from.x) * devicePixelRatio) / at.sx;
        view.y -= ((event.clientY - from.y) * devicePixelRatio) / at.sy;
        Object.assign(from, { x: event.clientX, y: event.clientY });
      }
      drawViews();
    });
    canvas.addEventListener("wheel", (event) => {
      if (event.ctrlKey) zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2);
      else if (scene.base.slices.length > 1 && event.altKey) setSlice(state.slice + Math.sign(event.deltaY));
      else return;
      event.preventDefault();
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => {
      const [x, y] = view.cursor;
      const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
      if (moves[event.key]) moveCursor(x + moves[event.key][0], y + moves[event.key][1]);
      else if (event.key === "+" || event.key === "=") zoomBy(1.4);
      else if (event.key === "-") zoomBy(1 / 1.4);
      else if (event.key === "0") zoomBy(0);
      else if (event.key === "PageUp") setSlice(state.slice + 1);
      else if (event.key === "PageDown") setSlice(state.slice - 1);
      else return;
      event.preventDefault();
    });
  }

  // To the right: brighter ends; down: a wider window.
  function windowDragged([low, high], dx, dy) {
    const reach = high - low;
    if (state.show === "map") {
      const middle = (low + high) / 2 - dx * reach;
      const half = Math.max((reach / 2) * (1 + 1.5 * dy), reach / 200);
      Object.assign(state, { low: Number((middle - half).toPrecision(3)), high: Number((middle + half).toPrecision(3)) });
    } else state.high = Number(Math.max(high * (1 + 1.5 * dy), high / 100).toPrecision(3));
    refresh();
  }

  // -- colour bars, values, curves ------------------------------------------------------------------------------------

  function drawBars() {
    const unit = scene.base.maps[state.map].units;
    const kinds = state.show === "map" ? [false] : [false, true];
    const title = TITLES[state.map];
    parts.bars.replaceChildren(
      ...kinds.map((difference) => {
        const [low, high] = windowOf(difference);
        const table = coloursOf(difference);
        const canvas = h("canvas", { width: 256, height: 1, "aria-hidden": "true" });
        const image = new ImageData(256, 1);
        for (let i = 0; i < 256; i++) image.data.set([table[3 * i], table[3 * i + 1], table[3 * i + 2], 255], 4 * i);
        canvas.getContext("2d").putImageData(image, 0, 0);
        const ticks = [0, 0.25, 0.5, 0.75, 1].map((share) => h("span", {}, Number((low + share * (high - low)).toPrecision(3)).toString().replace("-", "−")));
        return h("figure", {}, canvas, h("div", { class: "ticks" }, ...ticks), h("figcaption", {}, `${title}${difference ? `, ${SHOWN[state.show]}` : ""} (${unit})`));
      }),
    );
    const [low, high] = windowOf(state.show !== "map");
    parts.low.value = Number(low.toPrecision(4));
    parts.high.value = Number(high.toPrecision(4));
    parts.low.disabled = state.show !== "map";
  }

  let pending = null;
  function tell() {
    const [x, y] = view.cursor;
    const { corner, slices, shape } = scene.base;
    const place = y * shape[2] + x;
    for (const { columns, outputs } of parts.list ?? []) columns.forEach((column, i) => { outputs[i].textContent = rounded(shownSlice(column)?.[place], 3); });
    parts.position.textContent = `x ${corner[1] + x}, y ${corner[0] + y}, slice ${slices[state.slice] + 1}`;
    if (pending === null) pending = setTimeout(() => { pending = null; fillValues(); }, 90);
  }

  async function fillValues() {
    const here = scene;
    const columns = chosenColumns();
    const maps = Object.keys(here.base.maps);
    await Promise.all(columns.flatMap((column) => maps.map((map) => valuesOf(column, map))));
    const curves = await gathered(columns);
    if (here !== scene) return;
    const [x, y] = view.cursor;
    const place = state.slice * size() + y * here.base.shape[2] + x;
    parts.values.replaceChildren(table(["", ...maps.map((map) => `${TITLES[map]} (${here.base.maps[map].units})`)], columns.map((column) => [column.label, ...maps.map((map) => rounded(column.values[map]?.[place], 3))])));
    showCurves(curves, columns);
  }

  // The curve of each column and of the noisy and noiseless frames, at the cursor's cell of the coarse grid.
  async function gathered(columns) {
    const tiles = { noisy: here("noisy"), noiseless: here("noiseless") };
    function here(name) {
      return scene.base.curves[name];
    }
    for (const column of columns) if (column.curve) tiles[column.key] = column.curve;
    const found = {};
    for (const [key, tile] of Object.entries(tiles)) {
      if (!tile) continue;
      scene.curves[key] ??= await pixels.values(tile);
      const [stack, height, width] = tile.shape;
      const times = scene.base.times.length;
      const depth = stack / times;
      const [gx, gy] = view.cursor.map((v) => Math.floor(v / scene.base.block));
      const cell = Math.min(gy, height - 1) * width + Math.min(gx, width - 1);
      found[key] = Array.from({ length: times }, (_, t) => scene.curves[key][(t * depth + state.slice) * height * width + cell]);
    }
    return found;
  }

  let curveTable = null;
  function showCurves(curves, columns) {
    const x = scene.base.times;
    const style = getComputedStyle(document.documentElement);
    const traces = [];
    const fixed = { noisy: { color: style.getPropertyValue("--soft").trim(), width: 1 }, noiseless: { color: style.getPropertyValue("--ink").trim(), width: 2, dash: "dot" } };
    for (const [key, line] of Object.entries(fixed)) if (curves[key]) traces.push({ x, y: curves[key], mode: "lines", name: key, line });
    columns.filter((column) => !fixed[column.key] && curves[column.key]).forEach((column, i) => traces.push({ x, y: curves[column.key], mode: "lines", name: plain(column.label), line: { color: colour(i), dash: dash(i), width: 2 } }));
    traces.push({ x, y: scene.base.aif, mode: "lines", name: "AIF", visible: "legendonly", line: { color: "#a4371d", width: 1.5 } });
    const block = scene.base.block;
    const [, dy, dx] = scene.base.spacing;
    const without = columns.filter((column) => column.key !== "truth" && !curves[column.key]).map((column) => column.label);
    parts.note.replaceChildren(
      block > 1 ? `Means over ${block} × ${block} pixels (${rounded(block * dx, 2)} × ${rounded(block * dy, 2)} mm) of brain.` : "Of the pixel.",
      without.length ? label(` No curve, for they return none: ${without.join(", ")}.`) : "",
    );
    draw(parts.plot, traces, { height: 320, xaxis: { title: { text: "time (s)" } }, yaxis: { title: { text: "HU above baseline" } } });
    curveTable = [["Time (s)", ...traces.map((trace) => trace.name)], x.map((time, i) => [time, ...traces.map((trace) => rounded(trace.y[i], 3))])];
    fillCurveTable();
  }

  function fillCurveTable() {
    if (curveTable && parts.curves.parentElement.open) parts.curves.replaceChildren(table(...curveTable));
  }

  begin().catch((error) => host.append(h("p", { class: "notice" }, error.message)));
})();
