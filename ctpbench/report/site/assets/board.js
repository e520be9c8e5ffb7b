"use strict";
// The board: every row of every run in one table, sorted, filtered and copied. What is shown is kept in the address.
(() => {
  const { h, label, select, readState, writeState, units } = ctpbench;
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

  const MANY = 300; // rows, beyond which a page shows fewer, so that sorting stays quick

  function begin() {
    const state = Object.fromEntries(readState());
    const columns = ctpbench.columnsOf(board, (name) => new Set(board.rows.map(FILTERS[name][1])).size > 1);
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

    ctpbench.copyButtons(shown);
    function shown() {
      return { columns: columns.filter((column) => visible.has(column.name)), rows: table.rows({ order: "current", search: "applied" }).data().toArray() };
    }
  }
})();
