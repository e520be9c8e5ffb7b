"use strict";
// The canvases: a column's slice in each, or two columns in one with a line between, all under one zoom and one cursor.
(() => {
  const { h, rounded, pixels } = ctpbench;
  const SMALLEST = 1;
  const LARGEST = 24;

  // Views in an element; `shown` has the choice, the scene and the colours, `listen` is told of each new canvas.
  function views(host, shown, listen) {
    const { state } = shown.choice;
    const look = { zoom: 1, x: 0, y: 0, cursor: [0, 0], divider: 0.5 };
    const divider = h("input", { type: "range", min: 0, max: 100, value: 50, oninput: (event) => { look.divider = event.target.value / 100; draw(); } });
    let list = [];
    let built = "";
    new ResizeObserver(() => draw()).observe(host);

    const tableOf = (difference) => {
      if (difference) return shown.colours.RdBu_r;
      if (state.colours !== "perceptual") return shown.colours[state.colours];
      return shown.colours[state.map === "cbf" || state.map === "cbv" ? "inferno" : "viridis"];
    };
    const windowOf = (difference) => shown.choice.windowOf(difference, shown.scene.base.maps[state.map].high);
    const sliceOf = (column) => shown.scene.slice(column, state.map, state.slice, shown.choice.isDifference(column) ? state.show : "");

    function build() {
      const columns = shown.choice.columnsOf(shown.scene);
      const key = `${state.swipe} ${columns.map((column) => column.key).join()} ${shown.scene.from.file}`;
      if (built === key) return;
      built = key;
      host.classList.toggle("swiped", state.swipe);
      list = (state.swipe ? [columns] : columns.map((column) => [column])).map(view);
      host.replaceChildren(...(list.length ? list.map((one) => one.figure) : [h("p", {}, "Choose a method.")]));
    }

    function view(columns) {
      const canvas = h("canvas", { tabindex: "0", role: "img", "aria-label": `${columns.map((column) => column.label).join(" and ")}: image` });
      const outputs = columns.map(() => h("output"));
      const caption = h("figcaption", {}, ...columns.flatMap((column, i) => [h("bdi", { title: column.label }, column.label), outputs[i]]));
      const stage = h("div", { class: "stage" }, canvas, h("span", { class: "side right", "aria-hidden": "true" }, "R"), h("span", { class: "side left", "aria-hidden": "true" }, "L"));
      const figure = h("figure", { class: "view" }, caption, stage);
      if (state.swipe) figure.append(h("label", { class: "swipe" }, h("span", { class: "unseen" }, "Where the left image ends"), divider));
      listen(canvas);
      return { columns, canvas, outputs, figure };
    }

    function geometry(canvas) {
      const [, height, width] = shown.scene.base.shape;
      const [, dy, dx] = shown.scene.base.spacing;
      const ratio = (height * dy) / (width * dx);
      const wide = Math.max(1, Math.round(canvas.clientWidth * devicePixelRatio));
      const high = Math.max(1, Math.round(wide * ratio));
      const sx = (wide / width) * look.zoom;
      const sy = (high / height) * look.zoom;
      return { wide, high, sx, sy, left: wide / 2 - (width / 2 + look.x) * sx, top: high / 2 - (height / 2 + look.y) * sy, ratio };
    }

    function draw() {
      for (const one of list) drawOne(one);
    }

    function drawOne({ columns, canvas }) {
      const at = geometry(canvas);
      canvas.style.aspectRatio = `1 / ${at.ratio}`;
      if (canvas.width !== at.wide) canvas.width = at.wide;
      if (canvas.height !== at.high) canvas.height = at.high;
      const context = canvas.getContext("2d");
      context.setTransform(1, 0, 0, 1, 0, 0);
      context.fillStyle = "#000";
      context.fillRect(0, 0, at.wide, at.high);
      columns.forEach((column, i) => {
        context.save();
        if (columns.length > 1) {
          const edge = at.wide * look.divider;
          context.beginPath();
          context.rect(i ? edge : 0, 0, i ? at.wide - edge : edge, at.high);
          context.clip();
        }
        paint(context, column, at);
        context.restore();
      });
      if (columns.length > 1) {
        context.fillStyle = "#fff";
        context.fillRect(at.wide * look.divider - devicePixelRatio, 0, 2 * devicePixelRatio, at.high);
      }
      if (state.outline) drawLesion(context, at);
      drawCursor(context, at);
    }

    function paint(context, column, at) {
      const [, height, width] = shown.scene.base.shape;
      const slice = sliceOf(column);
      if (!slice) {
        context.fillStyle = "#9aa6b0";
        context.font = `${14 * devicePixelRatio}px system-ui`;
        context.fillText("no such map", 12 * devicePixelRatio, 28 * devicePixelRatio);
        return;
      }
      const difference = shown.choice.isDifference(column);
      const small = new OffscreenCanvas(width, height);
      small.getContext("2d").putImageData(pixels.painted(slice, width, height, ...windowOf(difference), tableOf(difference)), 0, 0);
      context.imageSmoothingEnabled = false;
      context.setTransform(at.sx, 0, 0, at.sy, at.left, at.top);
      context.drawImage(small, 0, 0);
      context.setTransform(1, 0, 0, 1, 0, 0);
    }

    function drawLesion(context, at) {
      const [core, lesion] = shown.scene.lesion(state.slice);
      const matrix = new DOMMatrix([at.sx, 0, 0, at.sy, at.left, at.top]);
      for (const [path, dashes] of [[lesion, [2, 4]], [core, []]]) {
        const moved = new Path2D();
        moved.addPath(path, matrix);
        context.lineCap = "round";
        context.setLineDash([]);
        if (!dashes.length) {
          context.strokeStyle = "rgb(0 0 0 / 70%)";
          context.lineWidth = 3 * devicePixelRatio;
          context.stroke(moved);
        }
        context.strokeStyle = "#fff";
        context.lineWidth = 1.3 * devicePixelRatio;
        context.setLineDash(dashes.map((length) => length * devicePixelRatio));
        context.stroke(moved);
      }
      context.setLineDash([]);
    }

    function drawCursor(context, at) {
      const [x, y] = [at.left + (look.cursor[0] + 0.5) * at.sx, at.top + (look.cursor[1] + 0.5) * at.sy];
      const arm = 9 * devicePixelRatio;
      for (const [style, wide] of [["rgb(0 0 0 / 70%)", 3], ["#7fd4ff", 1.2]]) {
        context.strokeStyle = style;
        context.lineWidth = wide * devicePixelRatio;
        context.beginPath();
        for (const [dx, dy] of [[1, 0], [-1, 0], [0, 1], [0, -1]]) {
          context.moveTo(x + (dx * arm) / 3, y + (dy * arm) / 3);
          context.lineTo(x + dx * arm, y + dy * arm);
        }
        context.stroke();
      }
    }

    // The values under the cursor, in the captions.
    function tell() {
      const place = look.cursor[1] * shown.scene.base.shape[2] + look.cursor[0];
      for (const { columns, outputs } of list) columns.forEach((column, i) => { outputs[i].textContent = rounded(sliceOf(column)?.[place], 3); });
    }

    // The pixel of the image that an event lies in.
    function voxel(canvas, event) {
      const box = canvas.getBoundingClientRect();
      const at = geometry(canvas);
      const x = ((event.clientX - box.left) / box.width) * at.wide;
      const y = ((event.clientY - box.top) / box.height) * at.high;
      return [Math.floor((x - at.left) / at.sx), Math.floor((y - at.top) / at.sy)];
    }

    function moveCursor(x, y) {
      const [, height, width] = shown.scene.base.shape;
      look.cursor = [Math.min(Math.max(x, 0), width - 1), Math.min(Math.max(y, 0), height - 1)];
      draw();
    }

    function moveDivider(share) {
      look.divider = Math.min(Math.max(share, 0), 1);
      divider.value = 100 * look.divider;
      draw();
    }

    // Move the image by so many pixels of the screen.
    function pan(canvas, dx, dy) {
      const at = geometry(canvas);
      look.x -= (dx * devicePixelRatio) / at.sx;
      look.y -= (dy * devicePixelRatio) / at.sy;
      draw();
    }

    function zoomBy(factor) {
      look.zoom = Math.min(Math.max(look.zoom * factor, SMALLEST), LARGEST);
      if (look.zoom === SMALLEST) look.x = look.y = 0;
      draw();
    }

    return { look, build, draw, tell, voxel, moveCursor, moveDivider, pan, zoomBy, windowOf, tableOf };
  }

  ctpbench.views = views;
})();
