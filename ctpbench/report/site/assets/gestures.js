"use strict";
// Pointer, wheel and keys over a canvas of the image browser.
(() => {
  // `act` is what the browser can do; see browser.js.
  function gestures(canvas, shown, act) {
    const { views } = shown;
    const { state } = shown.choice;
    let from = null;

    canvas.addEventListener("pointerdown", (event) => {
      canvas.setPointerCapture(event.pointerId);
      from = { x: event.clientX, y: event.clientY, windowed: event.shiftKey, ends: views.windowOf(state.show !== "map") };
      act.moveCursor(...views.voxel(canvas, event));
    });
    for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { from = null; });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) act.moveCursor(...views.voxel(canvas, event));
      else drag(event);
    });

    function drag(event) {
      const [dx, dy] = [event.clientX - from.x, event.clientY - from.y];
      if (from.windowed) {
        windowDragged(from.ends, dx / canvas.clientWidth, dy / canvas.clientHeight);
      } else if (state.swipe) {
        const box = canvas.getBoundingClientRect();
        views.moveDivider((event.clientX - box.left) / box.width);
      } else if (views.look.zoom > 1) {
        views.pan(canvas, dx, dy);
        Object.assign(from, { x: event.clientX, y: event.clientY });
      }
    }

    // To the right: brighter ends; down: a wider window.
    function windowDragged([low, high], dx, dy) {
      const reach = high - low;
      const short = (value) => Number(value.toPrecision(3));
      if (state.show === "map") {
        const middle = (low + high) / 2 - dx * reach;
        const half = Math.max((reach / 2) * (1 + 1.5 * dy), reach / 200);
        shown.choice.setWindow(short(middle - half), short(middle + half));
      } else shown.choice.setWindow(null, short(Math.max(high * (1 + 1.5 * dy), high / 100)));
      act.refresh();
    }

    const wheel = (event) => {
      if (event.ctrlKey) views.zoomBy(event.deltaY < 0 ? 1.2 : 1 / 1.2);
      else if (shown.scene.base.slices.length > 1 && event.altKey) act.setSlice(state.slice + Math.sign(event.deltaY));
      else return;
      event.preventDefault();
    };
    canvas.addEventListener("wheel", wheel, { passive: false });

    const step = (dx, dy) => act.moveCursor(views.look.cursor[0] + dx, views.look.cursor[1] + dy);
    const KEYS = {
      ArrowLeft: () => step(-1, 0),
      ArrowRight: () => step(1, 0),
      ArrowUp: () => step(0, -1),
      ArrowDown: () => step(0, 1),
      "+": () => views.zoomBy(1.4),
      "=": () => views.zoomBy(1.4),
      "-": () => views.zoomBy(1 / 1.4),
      0: () => views.zoomBy(0),
      PageUp: () => act.setSlice(state.slice + 1),
      PageDown: () => act.setSlice(state.slice - 1),
    };
    canvas.addEventListener("keydown", (event) => {
      if (!Object.hasOwn(KEYS, event.key)) return;
      KEYS[event.key]();
      event.preventDefault();
    });
  }

  ctpbench.gestures = gestures;
})();
