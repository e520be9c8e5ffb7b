"use strict";
// The image browser's form: which case, map, window and methods are shown.
(() => {
  const { h, label, select, PALETTES, TITLES, SHOWN } = ctpbench;
  const FILM_MS = 250;

  // `act` is what the browser can do; see browser.js.
  function controls(images, shown, act) {
    const { choice, views } = shown;
    const { state } = choice;
    const form = h("form", { class: "filters", "aria-label": "What to show", onsubmit: (event) => event.preventDefault() });
    const why = h("p", { class: "fine" });
    const methods = h("div", { class: "rows-choice" });
    const details = h("details", {}, h("summary", {}, "Which methods"), methods);
    const [low, high] = ["low", "high"].map(() => h("input", { type: "number", class: "narrow", step: "any", onchange: () => windowTyped() }));
    const filmButton = h("button", { type: "button", onclick: () => film(running === null) }, "Film");
    let slider = null;
    let running = null; // the film's timer

    function fill() {
      const { base, columns } = shown.scene;
      const level = choice.level();
      const several = new Set(images.levels.map((one) => one.run)).size > 1;
      const maps = Object.keys(base.maps).filter((name) => [...columns.values()].some((column) => !column.tiles || column.tiles[name]));
      const references = Object.entries(SHOWN).filter(([name]) => name === "map" || columns.has(name));
      const count = base.slices.length;
      film(false);
      slider = h("input", { type: "range", min: 0, max: count - 1, step: 1, value: state.slice, oninput: (event) => act.setSlice(Number(event.target.value)) });
      form.replaceChildren(
        select("Level", images.levels.map((one) => [one.key, several ? `${one.run}: ${one.level}` : one.level]), level.key, (key) => { choice.turnTo(key, columns); act.openCase(); }),
        select("Case", level.cases.map((one) => [one.case, one.case]), state.case, (name) => { state.case = name; act.openCase(); }),
        select("Map", maps.map((name) => [name, TITLES[name] ?? name]), state.map, (name) => { state.map = name; choice.forgetWindow(); act.refresh(); }),
        select("Show", references, state.show, (name) => { state.show = name; choice.forgetWindow(); act.refresh(); }),
        select("Colours", Object.entries(PALETTES), state.colours, (name) => { state.colours = name; act.refresh(); }),
        h("label", { class: "end" }, h("span", {}, "Window from"), low),
        h("label", { class: "end" }, h("span", {}, "to"), high),
        h("button", { type: "button", onclick: () => { choice.forgetWindow(); views.zoomBy(0); act.refresh(); } }, "Reset"),
        h("button", { type: "button", "aria-label": "Zoom in", onclick: () => views.zoomBy(1.4) }, "+"),
        h("button", { type: "button", "aria-label": "Zoom out", onclick: () => views.zoomBy(1 / 1.4) }, "−"),
        ...(count > 1 ? [h("label", {}, h("span", {}, "Slice"), slider), filmButton] : []),
        check("Lesion outline", "outline", act.refresh),
        check("Swipe between two", "swipe", () => { fillMethods(); act.refresh(); }),
      );
      why.replaceChildren(...about(level, base));
      fillMethods();
    }

    function check(title, name, change) {
      return h("label", { class: "check" }, h("input", { type: "checkbox", checked: state[name], onchange: (event) => { state[name] = event.target.checked; change(); } }), h("span", {}, title));
    }

    function about(level, base) {
      const { from } = shown.scene;
      const count = base.slices.length;
      const slices = count > 1 ? `${count} slices${count < base.of ? ` of ${base.of}` : ""}` : base.of > 1 ? `1 slice of ${base.of}` : "1 slice";
      const more = level.cases.length < level.of ? `; ${level.cases.length} of the level's ${level.of} cases are here, ctpbench report --cases ${level.of} takes all` : "";
      return [h("span", { class: "printed" }, label(level.level), ": "), label(`${from.case}${from.why ? `: ${from.why}` : ""}`), ` (${slices})${more}.`];
    }

    function fillMethods() {
      const options = [...shown.scene.columns.values()].map((column) => [column.key, column.label]);
      if (state.swipe) {
        const pair = choice.pair(shown.scene);
        const side = (title, place) => select(title, options, pair[place], (key) => { state.pair = state.pair.with(place, key); act.refresh(); });
        methods.replaceChildren(side("Left", 0), side("Right", 1));
        details.open = true;
        return;
      }
      const box = (key) => h("input", { type: "checkbox", checked: state.columns.includes(key), onchange: (event) => { choice.pick(key, event.target.checked, shown.scene); act.refresh(); } });
      methods.replaceChildren(...options.map(([key, text]) => h("label", {}, box(key), label(text))));
    }

    function windowTyped() {
      choice.setWindow(low.valueAsNumber, high.valueAsNumber);
      act.refresh();
    }

    function film(on) {
      clearInterval(running);
      running = on ? setInterval(() => act.setSlice((state.slice + 1) % shown.scene.base.slices.length), FILM_MS) : null;
      filmButton.setAttribute("aria-pressed", String(on));
      filmButton.textContent = on ? "Stop" : "Film";
    }

    // What dragging and filming changed.
    function tell() {
      const ends = views.windowOf(state.show !== "map");
      [low.value, high.value] = ends.map((end) => Number(end.toPrecision(4)));
      low.disabled = state.show !== "map";
      slider.value = state.slice;
    }

    return { parts: [form, why, details], fill, tell };
  }

  ctpbench.controls = controls;
})();
