"use strict";
// A case and its columns, the references and the methods: their maps and curves, read when they are wanted.
(() => {
  const { load, pixels } = ctpbench;

  // A case of `data/images.js` with all that can be shown of it.
  async function openScene(from) {
    const base = await load(from.file);
    const columns = new Map();
    for (const name of ["truth", "noiseless"])
      if (base.columns[name]) columns.set(name, { key: name, label: referenceLabel(name, base, from), tiles: base.columns[name], curve: base.curves[name], values: {} });
    for (const row of from.rows) if (!(row.label === "noiseless" && columns.has("noiseless"))) columns.set(row.key, { key: row.key, label: row.label, file: row.file, values: {} });
    const flags = await pixels.flags(base.masks);
    const [, height, width] = base.shape;
    const curves = {};
    const outlines = new Map();
    const cut = (values, slice) => values?.subarray(slice * height * width, (slice + 1) * height * width);

    async function opened(column) {
      if (!column.tiles) {
        const row = await load(column.file);
        column.tiles = row.maps;
        column.curve = row.curve;
        if (row.noiseless) column.own = { tiles: row.noiseless, values: {} };
      }
      return column;
    }

    // Read a column's map, and of a row whose maps are computed in another way its own noiseless map too.
    async function read(column, map) {
      await opened(column);
      for (const one of [column, column.own]) if (one?.tiles[map] && !one.values[map]) one.values[map] = await pixels.values(one.tiles[map]);
    }

    // A slice of a column's map, as it is or less that of the reference of a name; nothing where there is no such map.
    function slice(column, map, place, reference) {
      const own = cut(column.values[map], place);
      if (!reference || !own) return own;
      const against = (reference === "noiseless" && column.own) || columns.get(reference);
      const other = cut(against?.values[map], place);
      return other && Float32Array.from(own, (value, i) => value - other[i]);
    }

    // The edges of the core, and of core and penumbra together.
    function lesion(place) {
      if (!outlines.has(place)) {
        const bits = cut(flags, place);
        outlines.set(place, [4, 12].map((mask) => pixels.outline((i) => (bits[i] & mask) > 0, width, height)));
      }
      return outlines.get(place);
    }

    // By key, the curves of columns and of the noisy and noiseless frames in the cell of the coarse grid about a pixel.
    async function curvesAt(shown, [x, y], place) {
      const tiles = { noisy: base.curves.noisy, noiseless: base.curves.noiseless };
      for (const column of shown) if (column.curve) tiles[column.key] = column.curve;
      const found = {};
      for (const [key, tile] of Object.entries(tiles)) {
        if (!tile) continue;
        curves[key] ??= await pixels.values(tile);
        const [stack, rows, across] = tile.shape;
        const depth = stack / base.times.length;
        const [gx, gy] = [x, y].map((v) => Math.floor(v / base.block));
        const cell = Math.min(gy, rows - 1) * across + Math.min(gx, across - 1);
        found[key] = base.times.map((_, t) => curves[key][(t * depth + place) * rows * across + cell]);
      }
      return found;
    }

    return { from, base, columns, read, slice, lesion, curvesAt };
  }

  function referenceLabel(name, base, from) {
    if (name === "truth") return base.resolved ? "truth, as the scanner resolves it" : name;
    return from.ways ? `noiseless, ${base.way}` : name; // there are as many as ways to compute maps
  }

  ctpbench.openScene = openScene;
})();
