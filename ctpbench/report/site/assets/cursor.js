"use strict";
// What stands under the cursor: where it is, the value of each map, and the curves there.
(() => {
  const { h, label, table, rounded, draw, colour, dash, plain, TITLES } = ctpbench;
  const NARROW_PX = 480; // of a plot
  const REST_MS = 90; // of the cursor, before the tables follow it

  function underCursor(shown) {
    const { state } = shown.choice;
    const position = h("p", { role: "status" });
    const values = h("div");
    const plot = h("div", { class: "plot", "aria-hidden": "true" });
    const note = h("p", { class: "fine" });
    const numbers = h("div");
    const details = h("details", { ontoggle: fillNumbers }, h("summary", {}, "The numbers as a table"), numbers);
    const figure = h("figure", { class: "figure" }, h("figcaption", {}, "Enhancement over time"), plot, note, details);
    let pending = null;
    let curveTable = null;

    function tell() {
      const [x, y] = shown.views.look.cursor;
      const { corner, slices } = shown.scene.base;
      position.textContent = `x ${corner[1] + x}, y ${corner[0] + y}, slice ${slices[state.slice] + 1}`;
      pending ??= setTimeout(() => { pending = null; fill(); }, REST_MS);
    }

    async function fill() {
      const { scene } = shown;
      const { base } = scene;
      const columns = shown.choice.columnsOf(scene);
      const maps = Object.keys(base.maps);
      const { slice } = state;
      const { cursor } = shown.views.look;
      await Promise.all(columns.flatMap((column) => maps.map((map) => scene.read(column, map))));
      const curves = await scene.curvesAt(columns, cursor, slice);
      if (scene !== shown.scene) return;
      const place = cursor[1] * base.shape[2] + cursor[0];
      const header = ["", ...maps.map((map) => `${TITLES[map]} (${base.maps[map].units})`)];
      values.replaceChildren(table(header, columns.map((column) => [column.label, ...maps.map((map) => rounded(scene.slice(column, map, slice)?.[place], 3))])));
      showCurves(base, curves, columns);
    }

    function showCurves(base, curves, columns) {
      const x = base.times;
      const traces = [];
      const fixed = { noisy: { color: "--soft", width: 1 }, noiseless: { color: "--ink", width: 2, dash: "dot" } };
      for (const [key, line] of Object.entries(fixed)) if (curves[key]) traces.push({ x, y: curves[key], mode: "lines", name: key, line });
      columns.filter((column) => !fixed[column.key] && curves[column.key]).forEach((column, i) => traces.push({ x, y: curves[column.key], mode: "lines", name: plain(column.label), line: { color: colour(i), dash: dash(i), width: 2 } }));
      traces.push({ x, y: base.aif, mode: "lines", name: "AIF", visible: "legendonly", line: { color: "#a4371d", width: 1.5 } });
      const [, dy, dx] = base.spacing;
      const without = columns.filter((column) => column.key !== "truth" && !curves[column.key]).map((column) => column.label);
      note.replaceChildren(
        base.block > 1 ? `Means over ${base.block} × ${base.block} pixels (${rounded(base.block * dx, 2)} × ${rounded(base.block * dy, 2)} mm) of brain.` : "Of the pixel.",
        without.length ? label(` No curve, for they return none: ${without.join(", ")}.`) : "",
      );
      const legend = plot.clientWidth < NARROW_PX ? 18 * traces.length : 0; // one below the other there
      draw(plot, traces, { height: 320 + legend, xaxis: { title: { text: "time (s)" } }, yaxis: { title: { text: "HU above baseline" } } });
      curveTable = [["Time (s)", ...traces.map((trace) => trace.name)], x.map((time, i) => [time, ...traces.map((trace) => rounded(trace.y[i], 3))])];
      fillNumbers();
    }

    function fillNumbers() {
      if (curveTable && details.open) numbers.replaceChildren(table(...curveTable));
    }

    return { parts: [position, values, figure], tell };
  }

  ctpbench.underCursor = underCursor;
})();
