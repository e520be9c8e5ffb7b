"use strict";
// What all pages share: data that scripts bring, elements made of text alone, the state in the address, numbers.
globalThis.ctpbench = (() => {
  const held = new Map();
  const asked = new Map();

  function put(name, data) {
    held.set(name, data);
  }

  function script(path) {
    if (!asked.has(path)) {
      asked.set(
        path,
        new Promise((done, failed) => {
          const element = document.createElement("script");
          element.src = path;
          element.addEventListener("load", () => done());
          element.addEventListener("error", () => {
            asked.delete(path);
            failed(new Error(`${path} is not in this folder`));
          });
          document.head.append(element);
        }),
      );
    }
    return asked.get(path);
  }

  // Data of a name: what a page brought, or what its script brings now.
  async function load(name) {
    if (!held.has(name)) await script(`data/${name}.js`);
    return held.get(name);
  }

  function h(tag, properties = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else if (name === "value") element.value = value;
      else if (name === "checked") element.checked = value;
      else element.setAttribute(name, value === true ? "" : value);
    }
    element.append(...children.filter((child) => child !== null && child !== undefined));
    return element;
  }

  const label = (text) => h("bdi", {}, text);

  const isNumeric = (cell) => typeof cell === "number" || /^[-−]?[0-9.]+\*?( \[.*\])?$/.test(cell);

  function cellOf(cell, first, numbers) {
    const text = cell instanceof Node ? cell : label(cell === null ? "" : String(cell));
    return first ? h("th", { scope: "row" }, text) : h("td", { class: numbers && isNumeric(cell) ? "number" : null }, text);
  }

  const lineOf = (cells, numbers) => h("tr", {}, ...cells.map((cell, i) => cellOf(cell, i === 0, numbers)));

  // Numbers are set to the right. What stands in the first column names the line.
  function table(header, rows, caption) {
    const head = h("thead", {}, h("tr", {}, ...header.map((title, i) => h("th", { scope: "col", class: i && rows.some((cells) => isNumeric(cells[i])) ? "number" : null }, title))));
    const parts = [caption ? h("caption", {}, caption) : "", head, h("tbody", {}, ...rows.map((cells) => lineOf(cells, true)))];
    return h("div", { class: "scroll" }, h("table", { class: "plain" }, ...parts));
  }

  // Names and what belongs to them.
  function facts(rows) {
    return h("div", { class: "scroll" }, h("table", { class: "plain facts" }, h("tbody", {}, ...rows.map((cells) => lineOf(cells, false)))));
  }

  function select(title, options, value, change) {
    const list = h("select", { "aria-label": title, onchange: (event) => change(event.target.value) });
    for (const [key, text] of options) list.append(h("option", { value: key }, text));
    list.value = value;
    return h("label", {}, h("span", {}, title), list);
  }

  const readState = () => new URLSearchParams(location.hash.slice(1));

  function writeState(state) {
    const parts = new URLSearchParams();
    for (const [name, value] of Object.entries(state)) if (value !== "" && value !== null) parts.set(name, value);
    const address = `#${parts}`;
    if (address !== location.hash && !(address === "#" && location.hash === ""))
      history.replaceState(null, "", `${location.pathname}${location.search}${address}`);
  }

  const isNumber = (value) => typeof value === "number" && Number.isFinite(value);

  function decimals(value, digits) {
    if (!isNumber(value) || value === 0) return 0;
    return Math.min(Math.max(digits - 1 - Math.floor(Math.log10(Math.abs(value))), 0), 9);
  }

  // With so many significant digits, and no exponent.
  const rounded = (value, digits = 3) => (isNumber(value) ? value.toFixed(decimals(value, digits)) : "");

  function seconds(value) {
    if (!isNumber(value)) return "";
    return value < 120 ? `${rounded(value, 3)} s` : `${rounded(value / 60, 3)} min`;
  }

  const units = (text) => (text ? ` (${text})` : "");

  return { put, load, script, h, label, table, facts, select, readState, writeState, isNumber, decimals, rounded, seconds, units };
})();
