// Draws every figure of a page: <div class="chart-plot" data-figure="id of its json_script">.
//
// The server decides what is drawn and names colours as CSS variables ("var(--chart-1)"); this file only turns those
// into the colours of the theme that is on, and draws again when the theme, the paper or the page's content changes.
// It needs no inline script, no eval and no inline style, so it runs under a strict Content-Security-Policy.
(() => {
  "use strict";

  const CONFIG = { displayModeBar: false, responsive: true, scrollZoom: false, doubleClick: false, showTips: false };
  const VARIABLE = /^var\((--[\w-]+)\)$/;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const print = window.matchMedia("print");

  // A custom property computes to its text, "light-dark(#…, #…)"; only as a colour of an element is it resolved.
  const probe = document.createElement("span");
  probe.hidden = true;
  document.body.append(probe);

  function colour(variable) {
    probe.style.color = `var(${variable})`;
    return getComputedStyle(probe).color;
  }

  function themed(value) {
    if (typeof value === "string") {
      const match = VARIABLE.exec(value);
      return match ? colour(match[1]) : value;
    }
    if (Array.isArray(value)) return value.map(themed);
    if (value && typeof value === "object") {
      return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, themed(part)]));
    }
    return value;
  }

  function axis(own, line, muted) {
    return {
      automargin: true, fixedrange: true, gridcolor: line, linecolor: line, zerolinecolor: line,
      tickfont: { color: muted }, ...own,
    };
  }

  function layoutOf(figure, width) {
    const [text, muted, line, surface] = ["--text", "--muted", "--line", "--surface"].map(colour);
    const layout = themed(figure.layout);
    const narrow = width < 480;
    return {
      paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", dragmode: false,
      margin: { l: 8, r: 8, t: 8, b: 8 }, bargap: 0.25,
      ...layout,
      font: { family: getComputedStyle(document.body).fontFamily, size: narrow ? 11 : 12, color: text },
      hoverlabel: { bgcolor: surface, bordercolor: line, font: { color: text }, align: "left" },
      xaxis: axis({ ...layout.xaxis, nticks: narrow ? 5 : layout.xaxis?.nticks }, line, muted),
      yaxis: axis(layout.yaxis, line, muted),
    };
  }

  function draw(plot) {
    const source = document.getElementById(plot.dataset.figure);
    if (!source) return;
    const figure = JSON.parse(source.textContent);
    Plotly.react(plot, themed(figure.data), layoutOf(figure, plot.clientWidth), {
      ...CONFIG, staticPlot: print.matches,
    }).then(() => { leadOn(plot); plot.dataset.drawn = "true"; });
  }

  // A bar leads to what it is made of; the table below the chart has the same links.
  function leadOn(plot) {
    if (plot.dataset.leads || !plot.data.some((trace) => trace.meta?.link || trace.meta?.links)) return;
    plot.dataset.leads = "true";
    plot.on("plotly_click", ({ points: [point] }) => {
      const { link, links } = point.data.meta ?? {};
      const to = links ? links[point.pointIndex] : link?.replaceAll("{x}", String(point.x).slice(0, 10));
      if (to) location.assign(to);
    });
  }

  function drawAll(within = document) {
    within.querySelectorAll(".chart-plot[data-figure]").forEach(draw);
  }

  // One after the other, so that the first one is seen while the rest is drawn.
  (async () => {
    for (const plot of document.querySelectorAll(".chart-plot[data-figure]")) {
      draw(plot);
      await new Promise((resolve) => { setTimeout(resolve); });
    }
  })();
  dark.addEventListener("change", () => drawAll());
  print.addEventListener("change", () => drawAll());
  document.addEventListener("htmx:after:swap", () => drawAll());
})();
