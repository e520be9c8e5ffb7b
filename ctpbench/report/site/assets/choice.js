"use strict";
// What is chosen to be shown of the images: which case, map and methods, in which window. The address keeps it.
(() => {
  const { readState, writeState, isNumber } = ctpbench;
  const PALETTES = { perceptual: "perceptual", asist: "clinic (ASIST)", gray: "grey" };
  const TITLES = { cbf: "CBF", cbv: "CBV", mtt: "MTT", ttp: "TTP", tmax: "Tmax" };
  const SHOWN = { map: "maps", noiseless: "difference from noiseless", truth: "difference from the truth" };
  const REFERENCES = ["truth", "noiseless"];
  const FIRST_ROWS = 3;

  // The choice that an address describes, of a report's images.
  function choice(images) {
    const given = Object.fromEntries(readState());
    const known = (name, names, usual) => (Object.hasOwn(names, given[name] ?? "") ? given[name] : usual);
    const end = (name) => (given[name] !== undefined && isNumber(Number(given[name])) ? Number(given[name]) : null);
    const state = {
      level: given.level ?? "", case: given.case ?? "",
      map: known("map", TITLES, "cbf"), show: known("show", SHOWN, "map"), colours: known("colours", PALETTES, "perceptual"),
      columns: given.row ? [...REFERENCES, given.row] : (given.columns?.split(",") ?? []), pair: null,
      swipe: given.swipe === "1", outline: given.outline !== "0", slice: Number.parseInt(given.slice ?? "", 10) || 0, low: end("low"), high: end("high"),
    };

    const fullest = () => images.levels.toSorted((one, other) => other.cases[0].rows.length - one.cases[0].rows.length)[0];
    const level = () => images.levels.find((one) => one.key === state.level) ?? fullest();
    const chosenCase = () => level().cases.find((one) => one.case === state.case) ?? level().cases[Math.floor((level().cases.length - 1) / 2)];

    function keep() {
      writeState({
        level: state.level, case: state.case, map: state.map, show: state.show, colours: state.colours, slice: state.slice || "",
        columns: state.columns.join(","), swipe: state.swipe ? "1" : "", outline: state.outline ? "" : "0", low: state.low ?? "", high: state.high ?? "",
      });
    }

    // The same case and methods at another level, where its rows have other keys.
    function turnTo(key, columns) {
      state.level = key;
      if (!level().cases.some((one) => one.case === state.case)) state.case = "";
      const labels = new Set(state.columns.map((one) => columns.get(one)?.label));
      state.columns = REFERENCES.filter((one) => state.columns.includes(one)).concat(chosenCase().rows.filter((row) => labels.has(row.label)).map((row) => row.key));
    }

    // Of a case that was opened: what of it can be shown.
    function fit({ base, columns, from }) {
      const fitting = state.columns.filter((key) => columns.has(key));
      state.columns = fitting.length ? fitting : usual(from.rows, columns);
      state.slice = Math.min(state.slice, base.slices.length - 1) || 0;
      if (!state.pair?.every((key) => columns.has(key))) state.pair = null;
    }

    function usual(all, columns) {
      const rows = all.filter((row) => columns.has(row.key));
      const none = rows.find((row) => row.label === "none");
      const first = rows.filter((row) => row !== none).slice(0, FIRST_ROWS);
      return REFERENCES.filter((key) => columns.has(key)).concat(first.map((row) => row.key), none ? [none.key] : []);
    }

    // What a swipe lies between: two methods rather than a method and a reference, where two are shown.
    function pair({ columns }) {
      state.pair ??= rivals(columns);
      return state.pair;
    }

    function rivals(columns) {
      const methods = state.columns.filter((key) => !REFERENCES.includes(key));
      const all = [...new Set([...state.columns, ...columns.keys()])];
      return (methods.length > 1 ? methods : all).slice(0, 2);
    }

    function pick(key, chosen, { columns }) {
      const picked = new Set(state.columns);
      picked[chosen ? "add" : "delete"](key);
      state.columns = [...columns.keys()].filter((one) => picked.has(one));
    }

    const columnsOf = (scene) => (state.swipe ? pair(scene) : state.columns).map((key) => scene.columns.get(key)).filter(Boolean);

    const isDifference = (column) => state.show !== "map" && column.key !== state.show;

    // The ends of the window, of maps or of differences, where a map's own window ends at `high`.
    function windowOf(difference, high) {
      if (difference) {
        const reach = state.high ?? high / 4;
        return [-reach, reach];
      }
      if (state.show !== "map") return [0, high];
      return [state.low ?? 0, state.high ?? high];
    }

    // Of differences the window lies about 0.
    function setWindow(low, high) {
      if (state.show !== "map") {
        if (isNumber(high) && high > 0) state.high = high;
      } else if (isNumber(low) && isNumber(high) && low < high) Object.assign(state, { low, high });
    }

    function forgetWindow() {
      state.low = state.high = null;
    }

    return { state, level, case: chosenCase, keep, turnTo, fit, pair, pick, columnsOf, isDifference, windowOf, setWindow, forgetWindow };
  }

  Object.assign(ctpbench, { choice, PALETTES, TITLES, SHOWN });
})();
