"use strict";
// All that is known of one row at one noise level.
(() => {
  const { h, label, table, facts: listed, load, readState, rounded, seconds, isNumber, units, figure, colour, dash, plain } = ctpbench;
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

  function tuning(board, row) {
    if (!row.trials) return [];
    const { score, units: of, better, seeds } = row.trials;
    const name = board.scores.find((one) => one.column === score)?.title ?? score;
    const title = `validation ${name || "score"}${units(of)}`;
    const all = Object.entries(seeds).flatMap(([seed, trials]) => trials.map((trial) => ({ seed, ...trial })));
    const names = [...new Set(all.flatMap((trial) => Object.keys(trial.parameters)))];
    const numeric = names.filter((name) => all.every((trial) => typeof trial.parameters[name] === "number") && new Set(all.map((trial) => trial.parameters[name])).size > 1);
    const sign = better === "higher" ? -1 : 1;
    const cost = (trial) => (better === "zero" ? Math.abs(trial.value) : sign * trial.value);
    const text = (trial) => Object.entries(trial.parameters).map(([name, value]) => `${name}=${value}`).join(", ");
    const rows = all.map((trial) => [text(trial), rounded(trial.value, 5), trial.status === "ok" ? "" : `${trial.status}: ${trial.message}`]);
    const figures = numeric.map((name) => {
      const traces = Object.keys(seeds).map((seed, i) => {
        const best = new Map();
        for (const trial of all.filter((one) => one.seed === seed && isNumber(one.value))) {
          const x = trial.parameters[name];
          if (!best.has(x) || cost(trial) < cost(best.get(x))) best.set(x, trial);
        }
        const xs = [...best.keys()].sort((a, b) => a - b);
        const chosen = row.seeds.find((one) => String(one.seed) === seed)?.chosen[name];
        return {
          x: xs, y: xs.map((x) => best.get(x).value), mode: "lines+markers", name: `seed ${seed}`, text: xs.map((x) => plain(text(best.get(x)))), hoverinfo: "text+y",
          line: { color: colour(i), dash: dash(i) }, marker: { size: xs.map((x) => (x === chosen ? 13 : 6)), symbol: xs.map((x) => (x === chosen ? "circle-open" : "circle")), line: { width: xs.map((x) => (x === chosen ? 2.5 : 0)) } },
        };
      });
      const xs = traces.flatMap((trace) => trace.x);
      const wide = Math.min(...xs) > 0 && Math.max(...xs) > 20 * Math.min(...xs);
      const layout = { height: 300, showlegend: traces.length > 1, xaxis: { title: { text: plain(name) }, type: wide ? "log" : "linear" }, yaxis: { title: { text: onTwoLines(title) } } };
      const body = traces.flatMap((trace) => trace.x.map((x, i) => [x, rounded(trace.y[i], 5)]));
      return figure(`${name}: ${title}; what was chosen is ringed`, traces, layout, [name, title], body);
    });
    return [
      h("h2", {}, "Tuning"),
      numeric.length > 1 ? h("p", { class: "fine" }, "Each value with the best of the other parameters.") : null,
      h("div", { class: "figures" }, ...figures),
      h("details", {}, h("summary", {}, `All ${all.length} trials`), table(["Parameters", title, ""], rows)),
    ];
  }

  function learning(row) {
    if (!row.learning.length) return [];
    const quantities = [...new Set(row.learning.map((curve) => curve.quantity))];
    const figures = quantities.map((quantity) => {
      const curves = row.learning.filter((curve) => curve.quantity === quantity);
      const traces = curves.map((curve, i) => ({ x: curve.step, y: curve.value, mode: "lines", name: `seed ${curve.seed}`, line: { color: colour(i), dash: dash(i) } }));
      const positive = curves.every((curve) => curve.value.every((value) => value > 0));
      const layout = { height: 300, showlegend: curves.length > 1, xaxis: { title: { text: "step" } }, yaxis: { title: { text: plain(quantity) }, type: positive ? "log" : "linear", exponentformat: "power" } };
      const body = curves.flatMap((curve) => curve.step.map((step, i) => [step, curve.seed, rounded(curve.value[i], 4)]));
      return figure(`${quantity} as training logged it`, traces, layout, ["Step", "Seed", quantity], body);
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
