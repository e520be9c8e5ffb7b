"use strict";
// Plots by plotly, each with the same numbers as a table beside it, in the colours of the page.
(() => {
  const { h, script, table } = ctpbench;
  // Okabe and Ito's colours, which readers tell apart whatever their eyes; then the same, dashed.
  const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c6bb1", "#7f7f7f"];
  const DASHES = ["solid", "dash", "dot", "dashdot"];
  const PRINTED_PX = 660; // what fits on paper between margins, at 96 pixels an inch: a plot does not shrink by itself
  const drawn = new Set();
  let printing = false;

  const colour = (place) => COLOURS[place % COLOURS.length];
  const dash = (place) => DASHES[Math.floor(place / COLOURS.length) % DASHES.length];
  // plotly reads a little HTML in its texts
  const plain = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

  const of = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  // A line may have a colour of the page, by its name, which changes with the light.
  const inked = (trace) => (trace.line?.color?.startsWith("--") ? { ...trace, line: { ...trace.line, color: of(trace.line.color) } } : trace);

  function themed(layout) {
    const axis = { gridcolor: of("--line"), zerolinecolor: of("--soft"), linecolor: of("--line"), automargin: true };
    return {
      font: { color: of("--ink"), size: 12.5, family: getComputedStyle(document.body).fontFamily },
      paper_bgcolor: of("--paper"),
      plot_bgcolor: of("--paper"),
      margin: { l: 60, r: 16, t: 12, b: 60 },
      legend: { orientation: "h", yref: "container", y: 0, yanchor: "bottom" },
      hoverlabel: { bgcolor: of("--paper"), bordercolor: of("--line"), font: { color: of("--ink") } },
      ...layout,
      ...(printing ? { width: PRINTED_PX } : {}),
      xaxis: { ...axis, ...layout.xaxis },
      yaxis: { ...axis, ...layout.yaxis },
    };
  }

  // Buttons that show under a pointer; without one they would lie on the plot for good. None sends anything anywhere.
  const CONFIG = {
    displaylogo: false,
    displayModeBar: matchMedia("(hover: none)").matches ? false : "hover",
    responsive: true,
    modeBarButtonsToRemove: ["select2d", "lasso2d", "sendChartToCloud"],
    plotlyServerURL: "",
  };

  async function draw(plot, traces, layout) {
    await script("assets/plotly.js");
    plot.redraw = () => Plotly.react(plot, traces.map(inked), themed(layout), CONFIG);
    drawn.add(plot);
    await plot.redraw();
  }

  document.addEventListener("theme", (event) => {
    printing = event.detail.printing;
    for (const plot of drawn) {
      if (plot.isConnected) plot.redraw();
      else drawn.delete(plot);
    }
  });

  // A plot with a caption, and a table of its numbers for those who do not see it.
  function figure(caption, traces, layout, header, rows) {
    const plot = h("div", { class: "plot", "aria-hidden": "true" });
    if (layout.height) plot.style.minHeight = `${layout.height}px`;
    draw(plot, traces, layout);
    return h(
      "figure",
      { class: "figure" },
      h("figcaption", {}, caption),
      plot,
      h("details", {}, h("summary", {}, "The numbers as a table"), table(header, rows, caption)),
    );
  }

  Object.assign(ctpbench, { figure, draw, colour, dash, plain });
})();
