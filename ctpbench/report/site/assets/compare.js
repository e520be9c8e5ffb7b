"use strict";
// Two rows of a level against each other: the difference of each patient, and the mean with its interval.
(() => {
  const { h, label, table, load, select, readState, writeState, rounded, decimals, isNumber, units, figure, colour, plain } = ctpbench;
  const form = document.getElementById("choice");
  const host = document.getElementById("compared");
  let board, student;

  async function begin() {
    [board, student] = await Promise.all([load("board"), load("student")]);
    form.addEventListener("submit", (event) => event.preventDefault());
    await choose(Object.fromEntries(readState()));
  }

  async function choose(state) {
    const levels = board.levels.filter((one) => rowsOf(one).length > 1);
    if (!levels.length) {
      host.replaceChildren(h("p", { class: "notice" }, "There are no two rows to compare."));
      return;
    }
    const level = levels.find((one) => one.key === state.level) ?? levels[0];
    const rows = rowsOf(level);
    const known = (key) => rows.find((row) => row.key === key);
    const a = known(state.a) ?? rows[0];
    const b = known(state.b) ?? rows.find((row) => row !== a);
    const [one, other] = await Promise.all([load(`rows/${a.key}`), load(`rows/${b.key}`)]);
    const scores = board.scores.filter((score) => score.better !== "none" && one.scores[score.column] && other.scores[score.column]);
    const score = scores.find((each) => each.column === state.score) ?? scores.find((each) => each.column === level.by) ?? scores[0];
    const next = { level: level.key, a: a.key, b: b.key, score: score?.column ?? "" };
    writeState(next);
    const named = (row) => [row.key, row.label];
    const name = (each) => (board.runs.length > 1 ? `${each.run}: ${each.title}` : each.title);
    form.replaceChildren(
      select("Level", levels.map((each) => [each.key, name(each)]), level.key, (value) => choose({ ...next, level: value, a: "", b: "", score: "" })),
      select("First row", rows.map(named), a.key, (value) => choose({ ...next, a: value })),
      select("Second row", rows.map(named), b.key, (value) => choose({ ...next, b: value })),
      select("Score", scores.map((each) => [each.column, `${each.title}${units(each.units)}`]), next.score, (value) => choose({ ...next, score: value })),
      h("button", { type: "button", onclick: () => choose({ ...next, a: b.key, b: a.key }) }, "Swap"),
    );
    if (!score) {
      host.replaceChildren(h("p", { class: "notice" }, "They have no score in common that has a better way."));
      return;
    }
    const pairs = await load(`levels/${level.key}`).catch(() => null);
    show(name(level), a, b, one, other, score, pairs);
  }

  const rowsOf = (level) => board.rows.filter((row) => board.levels[row.level] === level && row.status === "ok");

  function show(title, a, b, one, other, score, pairs) {
    const cost = { lower: (v) => v, higher: (v) => -v, zero: Math.abs }[score.better];
    const patients = one.patients
      .map((who, i) => ({ who, first: one.scores[score.column][i], second: other.scores[score.column][other.patients.indexOf(who)] }))
      .filter((each) => isNumber(each.first) && isNumber(each.second))
      .map((each) => ({ ...each, better: cost(each.second) - cost(each.first) }));
    const sorted = patients.toSorted((x, y) => x.better - y.better);
    const mean = sorted.reduce((sum, each) => sum + each.better, 0) / sorted.length;
    const wins = sorted.filter((each) => each.better > 0).length;
    const found = pair(pairs, a.label, b.label, score.column);
    const lead = found ?? studentOf(sorted, [one, other].some((row) => row.seeds.length > 1));
    const unit = units(score.units);
    const digits = decimals(Math.max(...sorted.map((each) => Math.abs(each.better))), 3);
    const text = (value) => value.toFixed(digits);
    const better = sorted.map((each) => each.better);
    const traces = [
      { type: "scatter", mode: "markers", x: better, y: sorted.map((each) => plain(each.who)), marker: { size: 9, color: better.map((v) => colour(v > 0 ? 0 : 1)) }, hoverinfo: "x+y", name: "a patient" },
    ];
    const shapes = [{ type: "line", yref: "paper", y0: 0, y1: 1, x0: mean, x1: mean, line: { color: colour(2), width: 2 } }];
    if (lead.low !== null) shapes.push({ type: "rect", yref: "paper", y0: 0, y1: 1, x0: lead.low, x1: lead.high, fillcolor: colour(2), opacity: 0.16, line: { width: 0 } });
    const layout = {
      height: Math.max(260, 90 + 22 * sorted.length), showlegend: false, shapes,
      xaxis: { title: { text: plain(`${a.label} better by${unit}`) }, zeroline: true, rangemode: "tozero" }, yaxis: { type: "category" },
    };
    const parts = [
      h("p", { class: "fine printed" }, label(title)),
      h("p", { class: "verdict" }, label(a.label), ` is ${mean < 0 ? "worse" : "better"} than `, label(b.label), ` by ${text(Math.abs(mean))}${score.units ? ` ${score.units}` : ""} in ${score.title}, the mean over ${sorted.length} ${sorted.length === 1 ? "patient" : "patients"}; it is better in ${wins}. ${certainty(lead, text)}`),
      found ? null : h("p", { class: "fine" }, "By resampled patients, and with a test: ", h("code", {}, `ctpbench compare RUN ${quoted(a.label)} ${quoted(b.label)} --by ${quoted(score.column)}`)),
      figure(`Each patient, the mean (line)${lead.low === null ? "" : " and its 95% interval (band)"}`, traces, layout,
        ["Patient", `${a.label}${unit}`, `${b.label}${unit}`, "First better by"],
        sorted.map((each) => [each.who, rounded(each.first, 4), rounded(each.second, 4), text(each.better)])),
      h("p", { class: "links" }, h("a", { href: `row.html#key=${a.key}` }, label(a.label)), h("a", { href: `row.html#key=${b.key}` }, label(b.label))),
    ];
    host.replaceChildren(...parts.filter(Boolean));
  }

  const quoted = (text) => (/^[\w.-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);

  function certainty(found, text) {
    if (found.low === null) return `No interval: ${found.reason}.`;
    const name = found.name ? ` (${found.name})` : "";
    const apart = found.adjusted === null ? "" : found.adjusted <= 0.05 ? " They are told apart" : " They are not told apart";
    const p = found.adjusted === null ? "" : `${apart} (paired t-test, p ${probability(found.p)}; after Holm over all pairs of the level p ${probability(found.adjusted)}).`;
    return `95% interval of its lead: ${text(found.low)} to ${text(found.high)}${name}.${p}`;
  }

  const probability = (p) => (p < 0.001 ? "< 0.001" : `= ${p.toFixed(3)}`);

  // Student's interval of the patients that are shown, for scores whose pairs the results' statistics were not asked of.
  function studentOf(patients, trained) {
    const none = (reason) => ({ low: null, high: null, p: null, adjusted: null, reason });
    const n = patients.length;
    if (n < student.least) return none(`${n} patient${n === 1 ? "" : "s"}; an interval needs ${student.least}`);
    const better = patients.map((each) => each.better);
    const largest = Math.max(...patients.flatMap((each) => [Math.abs(each.first), Math.abs(each.second)]));
    if (Math.max(...better) - Math.min(...better) <= student.rounding * largest) return none(`all ${n} patients have the same difference`);
    const mean = better.reduce((sum, each) => sum + each, 0) / n;
    const error = Math.sqrt(better.reduce((sum, each) => sum + (each - mean) ** 2, 0) / (n - 1) / n);
    const margin = student.quantiles[n - student.least] * error;
    return { low: mean - margin, high: mean + margin, p: null, adjusted: null, name: `Student's t over patients${trained ? ", of the seeds that were run" : ""}` };
  }

  // The pair as the results' own statistics have it, seen from the first row.
  function pair(pairs, first, second, column) {
    if (!pairs || pairs.score !== column) return null;
    const places = [first, second].map((name) => pairs.rows.indexOf(name));
    for (const [i, j, , low, high, p, adjusted, , reason] of pairs.pairs) {
      if (i === places[0] && j === places[1]) return { low, high, p, adjusted, reason };
      if (i === places[1] && j === places[0]) return { low: low === null ? null : -high, high: low === null ? null : -low, p, adjusted, reason };
    }
    return null;
  }

  addEventListener("hashchange", () => choose(Object.fromEntries(readState())));
  begin().catch((error) => host.replaceChildren(h("p", { class: "notice" }, error.message)));
})();
