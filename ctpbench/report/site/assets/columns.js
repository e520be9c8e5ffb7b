"use strict";
// The columns of the board: of each its title, what it sorts by, its text, and its cell.
(() => {
  const { h, label, isNumber, decimals, rounded } = ctpbench;

  // `several(name)` says whether rows differ in what a filter is about: only then its column shows at first.
  ctpbench.columnsOf = (board, several) => {
    const level = (row) => board.levels[row.level];

    function word(name, title, value, more = {}) {
      return { name, title, value, text: (row) => String(value(row)), cell: (row) => label(String(value(row))), ...more };
    }

    function number(name, title, value, more = {}) {
      const text = (row) => rounded(value(row), 3);
      return { name, title, value, text, cell: text, number: true, ...more };
    }

    function rankText(row) {
      const [rank, low, high] = row.ranks;
      if (rank === null) return "";
      const ends = low === null || low === high ? `${rank}` : `${low}–${high}`;
      return `${low === null || (low <= rank && rank <= high) ? ends : `${rank} (${ends})`}${row.equal ? " =" : ""}`;
    }

    function nameCell(row) {
      const link = h("a", { href: `row.html#key=${row.key}` }, label(row.label));
      const more = [row.tuned, row.status === "ok" ? "" : row.message].filter(Boolean).join("; ");
      return h("div", {}, link, more ? h("small", {}, label(more)) : null);
    }

    // Of a level's column: the ends of its bars, how many decimals it takes, and the best value.
    const scales = new Map();
    let rowsAt = null;
    function scale(at, place) {
      const key = `${at} ${place}`;
      if (!scales.has(key)) scales.set(key, measured(at, place));
      return scales.get(key);
    }

    function byLevel() {
      const found = board.levels.map(() => []);
      for (const row of board.rows) found[row.level].push(row);
      return found;
    }

    function measured(at, place) {
      rowsAt ??= byLevel();
      const here = rowsAt[at].filter((row) => row.values[place] && isNumber(row.values[place][0]));
      const ends = here.filter((row) => row.method !== "none").flatMap((row) => row.values[place].filter(isNumber));
      const low = Math.min(...ends);
      const high = Math.max(...ends);
      const largest = Math.max(0, ...here.map((row) => Math.abs(row.values[place][0])));
      const better = board.scores[place].better;
      const rivals = here.filter((row) => row.method !== "noiseless" && row.status === "ok").map((row) => row.values[place][0]);
      const cost = { lower: (v) => v, higher: (v) => -v, zero: Math.abs }[better];
      const best = cost && rivals.length > 1 ? Math.min(...rivals.map(cost)) : null;
      return {
        low,
        span: high > low ? high - low : 1,
        digits: decimals(largest, largest >= 1 ? 4 : 3),
        isBest: (row) => best !== null && row.method !== "noiseless" && cost(row.values[place][0]) === best,
      };
    }

    function scoreText(row, place, value = row.values[place]?.[0]) {
      if (row.faults.includes(board.scores[place].metric)) return "failed";
      if (!isNumber(value)) return "";
      return value.toFixed(Math.max(scale(row.level, place).digits, decimals(value, 2)));
    }

    function scoreCell(row, place) {
      const text = scoreText(row, place);
      const [value, low, high] = row.values[place] ?? [];
      if (!isNumber(value) || text === "failed") return text;
      const { low: from, span, isBest } = scale(row.level, place);
      const at = (number) => Math.min(Math.max(((number - from) / span) * 100, 0), 100);
      const strip = h("span", { class: "strip", "aria-hidden": "true" });
      if (isNumber(low)) {
        const bar = h("i");
        bar.style.left = `${at(low)}%`;
        bar.style.right = `${100 - at(high)}%`;
        strip.append(bar);
      }
      if (value > from + span * 1.001) strip.append(h("em", {}, "›"));
      else {
        const dot = h("b");
        dot.style.left = `${at(value)}%`;
        strip.append(dot);
      }
      const ends = isNumber(low) ? `95% interval ${scoreText(row, place, low)} to ${scoreText(row, place, high)}` : "";
      const shown = h("span", { class: isBest(row) ? "best" : null, title: ends || null }, text);
      return h("div", {}, shown, ends ? h("span", { class: "unseen" }, `, ${ends}`) : null, strip);
    }

    function scoreColumn(score, place) {
      return {
        name: score.column,
        title: score.title,
        units: score.units,
        value: (row) => row.values[place]?.[0] ?? null,
        text: (row) => scoreText(row, place),
        interval: (row) => (row.values[place] && isNumber(row.values[place][1]) ? [1, 2].map((end) => scoreText(row, place, row.values[place][end])) : null),
        cell: (row) => scoreCell(row, place),
        className: "score",
        number: true,
        group: "Scores",
        // what tells rows apart: the metric that ranks, at the maps that people compare first
        shown: board.levels.some((one) => one.by.split("_").slice(0, -1).join("_") === score.metric || one.by === score.column) && ["", "cbf", "cbv", "mtt"].includes(score.map),
      };
    }

    const FIRST_SCORES = 6;

    function all() {
      const scores = board.scores.map(scoreColumn);
      for (const column of scores.filter((one) => one.shown).slice(FIRST_SCORES)) column.shown = false;
      const statusCell = (row) => h("span", { class: `tag ${row.status}` }, row.status);
      const wordCell = (row) => h("span", { class: `tag ${row.word}` }, row.word);
      const share = (row) => (isNumber(row.relative) ? row.relative.toFixed(2) : "");
      const timed = (row) => `${rounded(row.total_s, 3)}${row.contended ? "*" : ""}${row.reused ? "†" : ""}`;
      const trained = (row) => `${rounded(row.fit_s, 3)}${row.fit_reused ? "†" : ""}`;
      return [
        word("run", "Run", (row) => level(row).run, { shown: several("run") }),
        word("dataset", "Data set", (row) => level(row).dataset, { shown: several("dataset") }),
        { name: "noise", title: "Noise", value: (row) => level(row).noise, text: (row) => level(row).noise_text, cell: (row) => level(row).noise_text, shown: several("noise"), number: true, className: "nowrap" },
        { name: "rank", title: "Rank", value: (row) => row.ranks[0], text: rankText, cell: rankText, shown: true, className: "nowrap" },
        { name: "row", title: "Row", value: (row) => row.label, text: (row) => row.label, cell: nameCell, shown: true, className: "name" },
        { name: "relative", title: "0–1", value: (row) => row.relative, text: share, cell: share, shown: true, number: true, hint: "Where the ranking score lies between none (0) and noiseless (1)" },
        ...scores,
        number("seconds", "s/case", (row) => row.total_s, { shown: true, text: timed, cell: timed, hint: "Median seconds for denoising and maps; *: timed while other cells ran on the same machine; †: measured by another run on the same hardware" }),
        number("training", "Training (s)", (row) => row.fit_s, { shown: false, text: trained, cell: trained, hint: "†: measured by another run on the same hardware" }),
        number("memory", "Memory (MiB)", (row) => row.memory_mib, { shown: false }),
        number("patients", "Patients", (row) => row.patients, { shown: false, text: (row) => String(row.patients), cell: (row) => String(row.patients) }),
        word("kind", "Kind", (row) => row.kind, { shown: false }),
        word("maps", "Maps", (row) => row.maps, { shown: false }),
        word("tuned", "Tuned", (row) => row.tuned, { shown: false }),
        word("status", "Status", (row) => row.status, { shown: several("status"), cell: statusCell }),
        word("word", "Verified", (row) => row.word, { shown: several("word"), cell: wordCell }),
      ];
    }

    return all();
  };
})();
