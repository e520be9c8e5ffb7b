"use strict";
// The board: every row of every run in one table, sorted, filtered and copied. What is shown is kept in the address.
(() => {
  const { h, label, select, readState, writeState, isNumber, decimals, rounded, units } = ctpbench;
  let board;
  ctpbench.load("board").then(
    (data) => {
      board = data;
      begin();
    },
    (error) => document.getElementById("count").append(error.message),
  );

  const FILTERS = {
    run: ["Run", (row) => level(row).run],
    dataset: ["Data set", (row) => level(row).dataset],
    noise: ["Noise", (row) => level(row).noise_text],
    kind: ["Kind", (row) => row.kind],
    trained: ["Trained", (row) => (row.trained ? "trained" : "not trained")],
    word: ["Verified", (row) => row.word],
    status: ["Status", (row) => row.status],
  };
  const level = (row) => board.levels[row.level];
  const noiseOf = (text) => board.levels.find((one) => one.noise_text === text).noise ?? 0;

  // -- columns: of each its title, what it sorts by, its text, and its cell ------------------------------------------

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
  const MANY = 300; // rows, beyond which a page shows fewer, so that sorting stays quick

  function columnsOf() {
    const scores = board.scores.map(scoreColumn);
    for (const column of scores.filter((one) => one.shown).slice(FIRST_SCORES)) column.shown = false;
    const several = (name) => new Set(board.rows.map(FILTERS[name][1])).size > 1;
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

  // -- the table ------------------------------------------------------------------------------------------------------

  function begin() {
    const state = Object.fromEntries(readState());
    const columns = columnsOf();
    const known = (name) => columns.some((column) => column.name === name);
    const visible = new Set(state.cols ? state.cols.split(",").filter(known) : columns.filter((c) => c.shown).map((c) => c.name));
    const filter = Object.fromEntries(Object.keys(FILTERS).map((name) => [name, state[name] ?? ""]));
    filter.q = state.q ?? "";
    const order = known(state.sort) ? [[columns.findIndex((c) => c.name === state.sort), state.dir === "desc" ? "desc" : "asc"]] : [];

    const collator = new Intl.Collator("en", { numeric: true });
    const compare = (a, b) => (typeof a === "number" ? a - b : collator.compare(a, b));
    const lacks = (value) => value === null || value === undefined || value === "";
    const sorter = (sign) => (a, b) => (lacks(a) || lacks(b) ? lacks(a) - lacks(b) : sign * compare(a, b));
    DataTable.ext.type.order["value-asc"] = sorter(1);
    DataTable.ext.type.order["value-desc"] = sorter(-1);
    DataTable.ext.errMode = "throw";

    const element = document.getElementById("board");
    const heads = columns.map((column) =>
      h("th", { scope: "col", title: column.hint ?? null }, column.title, ...(column.units ? [" ", h("small", {}, column.units)] : [])),
    );
    element.append(h("thead", {}, h("tr", {}, ...heads)));
    const table = new DataTable(element, {
      data: board.rows,
      columns: columns.map((column) => ({
        data: null,
        type: "value",
        visible: visible.has(column.name),
        className: column.className,
        render: (_, purpose, row) => (purpose === "sort" || purpose === "type" ? column.value(row) : ""),
        createdCell: (cell, _, row) => visible.has(column.name) && cell.replaceChildren(column.cell(row)),
      })),
      order,
      deferRender: true,
      drawCallback: function () { markLevels(this.api()); },
      autoWidth: false,
      pageLength: board.rows.length > MANY ? 25 : 100,
      lengthMenu: [25, 100, 500],
      layout: { topStart: null, topEnd: null, bottomStart: ["info", "pageLength"], bottomEnd: "paging" },
      language: { info: "Rows _START_ to _END_ of _TOTAL_", infoFiltered: "", infoEmpty: "", lengthMenu: "_MENU_ on a page", zeroRecords: "No row is like that.", emptyTable: "No cell has finished." },
      search: { smart: false },
    });
    ctpbench.table_of_board = table;

    // A line above each level, as long as levels stand together.
    function markLevels(api) {
      const shown = api.rows({ page: "current" });
      const levels = shown.data().toArray().map((row) => row.level);
      const together = levels.every((one, i) => i === 0 || one >= levels[i - 1]);
      shown.nodes().toArray().forEach((node, i) => node.classList.toggle("next", together && i > 0 && levels[i] !== levels[i - 1]));
    }

    const passes = (row) =>
      Object.entries(FILTERS).every(([name, [, value]]) => filter[name] === "" || value(row) === filter[name]) &&
      words(filter.q).every((part) => found(row).includes(part));
    const words = (text) => text.toLowerCase().split(/\s+/).filter(Boolean);
    const found = (row) => (row.found ??= [row.label, row.method, row.kind, row.maps, row.tuned, level(row).title, level(row).run].join(" ").toLowerCase());
    table.search.fixed("filters", (_, row) => passes(row));

    function keep() {
      const [sorted] = table.order();
      const usual = columns.filter((c) => c.shown).map((c) => c.name).join();
      const chosen = columns.filter((c) => visible.has(c.name)).map((c) => c.name).join();
      writeState({
        ...filter,
        sort: sorted ? columns[sorted[0]].name : "",
        dir: sorted && sorted[1] === "desc" ? "desc" : "",
        cols: chosen === usual ? "" : chosen,
      });
    }

    function tell() {
      const shown = table.rows({ search: "applied" }).count();
      document.getElementById("count").textContent = shown === board.rows.length ? `${shown} rows` : `${shown} of ${board.rows.length} rows`;
    }

    function refresh() {
      table.draw();
      tell();
      keep();
      fillNotes();
    }

    const form = document.getElementById("filters");
    form.addEventListener("submit", (event) => event.preventDefault());
    const search = h("input", { type: "search", value: filter.q, oninput: (event) => { filter.q = event.target.value; refresh(); } });
    form.append(h("label", {}, h("span", {}, "Find"), search));
    for (const [name, [title, value]] of Object.entries(FILTERS)) {
      const there = [...new Set(board.rows.map(value))];
      if (name === "noise") there.sort((a, b) => noiseOf(a) - noiseOf(b));
      if (filter[name] !== "" && !there.includes(filter[name])) filter[name] = "";
      if (there.length < 2) continue;
      form.append(select(title, [["", "all"], ...there.map((one) => [one, one])], filter[name], (chosen) => { filter[name] = chosen; refresh(); }));
    }

    // The cells of hidden columns are empty until they are wanted.
    function fill(place) {
      table.cells(null, place).every(function () {
        this.node()?.replaceChildren(columns[place].cell(this.row(this.index().row).data()));
      });
    }

    const groups = h("div");
    for (const title of ["Facts", "Scores"]) {
      const set = h("fieldset", {}, h("legend", {}, title));
      columns.forEach((column, place) => {
        if ((column.group ?? "Facts") !== title) return;
        const box = h("input", { type: "checkbox", checked: visible.has(column.name), onchange: (event) => {
          visible[event.target.checked ? "add" : "delete"](column.name);
          if (event.target.checked) fill(place);
          table.column(place).visible(event.target.checked, false);
          keep();
        } });
        set.append(h("label", {}, box, label(`${column.title}${units(column.units)}`)));
      });
      groups.append(set);
    }
    document.querySelector("#columns > div").replaceWith(groups);

    table.on("order", keep);
    refresh();

    // -- what is said below -------------------------------------------------------------------------------------------

    const notes = document.getElementById("notes");
    notes.addEventListener("toggle", fillNotes);
    function fillNotes() {
      if (!document.getElementById("notes").open) return;
      const here = new Set(table.rows({ search: "applied" }).data().toArray().map((row) => row.level));
      notes.lastElementChild.replaceChildren(
        ...[...here].sort((a, b) => a - b).map((at) => {
          const one = board.levels[at];
          const title = board.runs.length > 1 ? `${one.run}: ${one.title}` : one.title;
          return h("section", {}, h("h3", {}, label(title)), h("p", {}, label(one.notes.join(" "))), ...one.failures.map((line) => h("p", { class: "fine" }, label(line))));
        }),
      );
    }

    // -- copying --------------------------------------------------------------------------------------------------------

    function shownTable(intervals) {
      const here = columns.filter((column) => visible.has(column.name));
      const rows = table.rows({ order: "current", search: "applied" }).data().toArray();
      const head = here.flatMap((column) => {
        const title = `${column.title}${units(column.units)}`;
        return intervals && column.interval ? [title, `${title} low`, `${title} high`] : [title];
      });
      const body = rows.map((row) =>
        here.flatMap((column) => {
          const ends = column.interval?.(row);
          if (intervals && column.interval) return [column.text(row), ...(ends ?? ["", ""])];
          return [`${column.text(row)}${ends ? ` [${ends.join(", ")}]` : ""}`];
        }),
      );
      return { head, body, numbers: here.map((column) => Boolean(column.number)) };
    }

    document.querySelectorAll("[data-copy]").forEach((button) =>
      button.addEventListener("click", async () => {
        const { head, body, numbers } = shownTable(button.dataset.copy === "csv");
        const text = WRITERS[button.dataset.copy](head, body, numbers);
        try {
          await navigator.clipboard.writeText(text);
          document.getElementById("count").textContent = `${body.length} rows copied as ${button.textContent}`;
        } catch {
          const dialog = document.getElementById("copied");
          dialog.querySelector("textarea").value = text;
          dialog.showModal();
          dialog.querySelector("textarea").select();
        }
      }),
    );
  }

  const line = (text) => text.replace(/\s+/g, " ").trim();
  // A spreadsheet takes what begins so for a formula; numbers may begin with a minus.
  const csvCell = (text) => {
    const plain = /^[=+\-@\t\r]/.test(text) && !/^-?[0-9.]+(e-?[0-9]+)?$/i.test(text) ? `'${text}` : text;
    return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain;
  };
  const TEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}", "|": "\\textbar{}", "–": "--" };
  const tex = (text) => line(text).replace(/[\\~^<>|–&%$#_{}]/g, (found) => TEX[found] ?? `\\${found}`);
  const mark = (text) => line(text).replace(/[\\|*<`\[]|(?<![a-zA-Z0-9])_|_(?![a-zA-Z0-9])/g, "\\$&");
  const WRITERS = {
    csv: (head, body) => [head, ...body].map((cells) => cells.map(csvCell).join(",")).join("\r\n") + "\r\n",
    markdown: (head, body, numbers) =>
      [head.map(mark), numbers.map((number) => (number ? "---:" : ":---")), ...body.map((cells) => cells.map(mark))].map((cells) => `| ${cells.join(" | ")} |`).join("\n") + "\n",
    latex: (head, body, numbers) =>
      [
        `\\begin{tabular}{${numbers.map((number) => (number ? "r" : "l")).join("")}}`,
        "\\hline",
        `${head.map(tex).join(" & ")} \\\\`,
        "\\hline",
        ...body.map((cells) => `${cells.map((cell) => (/^\s*\[/.test(cell) ? `{}${tex(cell)}` : tex(cell))).join(" & ")} \\\\`),
        "\\hline",
        "\\end{tabular}",
        "",
      ].join("\n"),
  };
})();
