"use strict";
// All that is known of one row at one noise level.
(() => {
  const { h, label, table, facts: listed, load, readState, rounded, seconds, isNumber, units, figure, colour, plain } = ctpbench;
  const STOPPED = "stopped: can no longer win";
  const BEST = { lower: "lowest", higher: "highest", zero: "nearest 0", none: "" };
  const host = document.getElementById("row");

  async function show() {
    const key = readState().get("key") ?? "";
    if (!/^[0-9a-f]{12}$/.test(key)) return;
    try {
      const [board, row] = await Promise.all([load("board"), load(`rows/${key}`)]);
      const place = board.rows.findIndex((other) => other.key === key);
      fill(board, board.rows[place], row);
    } catch (error) {
      host.replaceChildren(h("p", { class: "notice" }, `No such row: ${error.message}.`));
    }
  }

  function fill(board, entry, row) {
    const level = board.levels[entry.level];
    document.title = `${row.config}, ${row.level}`;
    const leader = board.rows.find((other) => other.level === entry.level && other.ranks[0] === 1 && other.key !== entry.key);
    const parts = [
      h("p", { class: "fine" }, label(`${row.run}, ${row.level}`)),
      h("h1", {}, label(row.config), " ", h("span", { class: `tag ${row.status}` }, row.status), " ", h("span", { class: `tag ${row.word}` }, row.word)),
      h(
        "p",
        { class: "links" },
        h("a", { href: "index.html" }, "Board"),
        leader ? h("a", { href: `compare.html#level=${level.key}&a=${leader.key}&b=${entry.key}` }, "Compare with ", label(leader.label)) : null,
        h("a", { href: `browser.html#level=${level.key}&row=${entry.key}` }, "Images"),
      ),
      ...failures(row),
      facts(entry, row),
      h("h2", {}, "Scores"),
      scores(board, entry),
      ...patients(board, row, level.by),
      ...tuning(board, row),
      ...learning(row),
      ...times(row),
      ...runs(row),
    ];
    host.replaceChildren(...parts.filter(Boolean));
  }

  function failures(row) {
    const lines = [];
    if (row.message) lines.push(`${row.status}: ${row.message}`);
    for (const [metric, why] of Object.entries(row.faults)) lines.push(`metric ${metric} failed: ${why}`);
    if (row.left_out) lines.push(`left out: ${row.left_out}`);
    if (row.verified?.why) lines.push(`verification: ${row.verified.why}`);
    return lines.length ? [h("pre", { class: "fault" }, label(lines.join("\n")))] : [];
  }

  const ANOTHER = ", measured by another run on the same hardware";

  function facts(entry, row) {
    const parameters = Object.entries(row.parameters);
    const chosen = row.tuned ? [["tuned to", row.tuned]] : [];
    const about = [
      ["method", `${row.method} ${row.version}, ${row.distribution}`],
      ["kind", entry.kind],
      ["maps", row.maps],
      ["learnt from", row.trained_on],
      ["training", isNumber(entry.fit_s) ? `${seconds(entry.fit_s)}${entry.fit_reused ? ANOTHER : ""}` : ""],
      ["denoising and maps", isNumber(entry.total_s) ? `${seconds(entry.total_s)} a case${entry.contended ? ", other cells ran on the machine" : ""}${entry.reused ? ANOTHER : ""}` : ""],
      ["memory", isNumber(entry.memory_mib) ? `${rounded(entry.memory_mib, 4)} MiB` : ""],
      ["sandbox", row.sandbox],
      ["timed on", row.hardware],
    ];
    return h(
      "div",
      { class: "facts-grid" },
      h("section", {}, h("h3", {}, "About"), listed(about.filter(([, text]) => text))),
      h("section", {}, h("h3", {}, "Parameters"), parameters.length ? listed([...parameters, ...chosen]) : h("p", {}, "It has none.")),
    );
  }

  function scores(board, entry) {
    const rows = [];
    board.scores.forEach((score, i) => {
      const [value, low, high] = entry.values[i] ?? [];
      if (isNumber(value)) rows.push([score.title, rounded(value, 4), isNumber(low) ? `${rounded(low, 4)} to\u00a0${rounded(high, 4)}` : "", score.units, BEST[score.better]]);
    });
    return table(["Score", "Mean", "95% interval", "Units", "Best"], rows);
  }

  function patients(board, row, by) {
    const known = board.scores.filter((score) => row.scores[score.column]);
    if (!known.length) return [];
    const place = h("div");
    const show = (column) => {
      const score = known.find((one) => one.column === column);
      const values = row.scores[column];
      const title = `${score.title}${units(score.units)}`;
      const trace = { type: "bar", x: row.patients.map(plain), y: values, marker: { color: colour(0) }, hoverinfo: "x+y" };
      const layout = { height: 320, yaxis: { title: { text: onTwoLines(title) } }, xaxis: { type: "category" } };
      place.replaceChildren(figure(`${title}, patient by patient`, [trace], layout, ["Patient", title], row.patients.map((who, i) => [who, rounded(values[i], 4)])));
    };
    const first = known.some((score) => score.column === by) ? by : known[0].column;
    const choice = ctpbench.select("Score", known.map((score) => [score.column, score.title]), first, show);
    show(first);
    return [h("h2", {}, "By patient"), h("div", { class: "filters" }, choice), place];
  }

  // The units below, so that a low plot has room for both.
  const onTwoLines = (title) => title.split(/ (?=\()/).map(plain).join("<br>");

  // A curve: of several seeds their median, with the range that they span around it. `named` says what a single one is.
  function traces(curve, color, named, more = {}) {
    const line = { color };
    const middle = { x: curve.x, y: curve.y, name: curve.seeds > 1 ? `median of ${curve.seeds} seeds` : named, line, ...more };
    if (!curve.range) return [{ ...middle, showlegend: Boolean(named) }];
    const edge = { x: curve.x, mode: "lines", line: { width: 0 }, hoverinfo: "skip" };
    return [
      { ...edge, y: curve.range[0], showlegend: false },
      { ...edge, y: curve.range[1], fill: "tonexty", fillcolor: `${color}33`, name: "their range" },
      middle,
    ];
  }

  const header = (x, y, seeds) => (seeds > 1 ? [x, `${y}, median of ${seeds} seeds`, "Least", "Greatest"] : [x, y]);
  const body = (curve, digits) => curve.x.map((x, i) => [x, rounded(curve.y[i], digits), ...(curve.range ?? []).map((end) => rounded(end[i], digits))]);

  function tuning(board, row) {
    if (!row.trials) return [];
    const { score, units: of, seeds } = row.trials;
    const title = `validation ${(board.scores.find((one) => one.column === score)?.title ?? score) || "score"}${units(of)}`;
    const all = Object.values(seeds).flat();
    const text = (trial) => Object.entries(trial.parameters).map(([name, value]) => `${name}=${value}`).join(", ");
    const rows = all.map((trial) => [text(trial), rounded(trial.value, 5), trial.status === "ok" ? "" : `${trial.status}: ${trial.message}`]);
    const figures = row.sweeps.map((sweep) => {
      const several = sweep.curves.length > 1;
      const single = sweep.stopped.length ? "scored on all cases" : "";
      const lines = sweep.curves.flatMap((curve, i) => traces(curve, colour(i), several ? `seed ${i + 1} of ${sweep.curves.length}` : single, { mode: sweep.joined ? "lines+markers" : "markers", marker: { size: 6 } }));
      const ring = { symbol: "circle-open", size: 13, line: { width: 2.5 }, color: colour(0) };
      const chosen = { x: sweep.chosen.map(([x]) => x), y: sweep.chosen.map(([, y]) => y), mode: "markers", marker: ring, hoverinfo: "skip", name: "chosen" };
      const hollow = { symbol: "diamond-open", size: 7, color: colour(0) };
      const stopped = { x: sweep.stopped.map(([x]) => x), y: sweep.stopped.map(([, y]) => y), mode: "markers", marker: hollow, name: STOPPED };
      const xs = [...sweep.curves.flatMap((curve) => curve.x), ...stopped.x];
      const wide = Math.min(...xs) > 0 && Math.max(...xs) > 20 * Math.min(...xs);
      const named = several || sweep.curves[0].seeds > 1 || stopped.x.length > 0;
      const layout = { height: 300, showlegend: named, xaxis: { title: { text: plain(sweep.name) }, type: wide ? "log" : "linear" }, yaxis: { title: { text: onTwoLines(title) } } };
      const heading = header(sweep.name, title, sweep.curves[0].seeds);
      const hollowRows = sweep.stopped.map(([x, y]) => [x, `${rounded(y, 5)}, ${STOPPED}`]);
      return figure(`${sweep.name}: ${title}; what was chosen is ringed`, [...lines, ...(stopped.x.length ? [stopped] : []), chosen], layout, heading, [...sweep.curves.flatMap((curve) => body(curve, 5)), ...hollowRows]);
    });
    return [
      h("h2", {}, "Tuning"),
      row.sweeps.length > 1 ? h("p", { class: "fine" }, "Each value with the best of the other parameters.") : null,
      h("div", { class: "figures" }, ...figures),
      h("details", {}, h("summary", {}, `All ${all.length} trials`), table(["Parameters", title, ""], rows)),
    ];
  }

  function learning(row) {
    if (!row.learning.length) return [];
    const figures = row.learning.map((curve) => {
      const positive = [curve.y, ...(curve.range ?? [])].every((values) => values.every((value) => value > 0));
      const layout = { height: 300, showlegend: curve.seeds > 1, xaxis: { title: { text: "step" } }, yaxis: { title: { text: plain(curve.quantity) }, type: positive ? "log" : "linear", exponentformat: "power" } };
      const lines = traces(curve, colour(0), "", { mode: "lines" });
      return figure(`${curve.quantity} as training logged it`, lines, layout, header("Step", curve.quantity, curve.seeds), body(curve, 4));
    });
    return [h("h2", {}, "Learning"), h("div", { class: "figures" }, ...figures)];
  }

  function times(row) {
    const { cases, denoise_s: denoise, maps_s: maps } = row.seconds;
    if (!denoise || !denoise.some(isNumber)) return [];
    const rows = cases.map((name, i) => [name, rounded(denoise[i], 3), rounded(maps?.[i], 3)]).filter(([, time]) => time);
    return [h("h2", {}, "Time"), h("details", {}, h("summary", {}, "Seconds of each case"), table(["Case", "Denoising (s)", "Maps (s)"], rows))];
  }

  function runs(row) {
    const parts = [h("h2", {}, row.seeds.length > 1 ? "Runs" : "Run")];
    for (const seed of row.seeds) {
      const known = Object.entries(seed).filter(([name, value]) => !["seed", "chosen", "versions", "log", "message"].includes(name) && value !== "" && value !== null && value !== false);
      parts.push(
        row.seeds.length > 1 ? h("h3", {}, `Seed ${seed.seed}`) : null,
        h(
          "div",
          { class: "facts-grid" },
          h("section", {}, h("h3", {}, "Measured"), listed(known.map(([name, value]) => [name.replaceAll("_", " "), typeof value === "number" && !Number.isInteger(value) ? rounded(value, 4) : String(value)]))),
          h("section", {}, h("h3", {}, "Versions"), Object.keys(seed.versions).length ? listed(Object.entries(seed.versions)) : h("p", {}, "Not known.")),
        ),
        seed.log ? h("details", { open: row.status !== "ok" || null }, h("summary", {}, "Log"), h("pre", { class: "long", tabindex: "0" }, seed.log)) : h("p", { class: "fine" }, "No log here: it lies in the run's folder."),
      );
    }
    return parts;
  }

  addEventListener("hashchange", show);
  show();
})();
