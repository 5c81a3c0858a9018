// Draws every figure of a page: <div class="chart-plot" data-figure="id of its json_script">.
//
// The server decides what is drawn and names colours as CSS variables ("var(--chart-1)"); this file only turns those
// into the colours of the theme that is on, and draws again when the theme, the paper or the page's content changes.
// It needs no inline script, no eval and no inline style, so it runs under a strict Content-Security-Policy.
//
// plotly is a megabyte, which takes longer to read than all the rest of a page: it is loaded once the page has been
// painted, with its charts sketched in bars and lines. What answers to the pointer follows, in the place of the sketch.
(() => {
  "use strict";

  const PLOTLY = document.currentScript.dataset.plotly;
  const SVG = "http://www.w3.org/2000/svg";
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

  function figureOf(plot) {
    const source = document.getElementById(plot.dataset.figure);
    return source && JSON.parse(source.textContent);
  }

  function draw(plot) {
    const figure = figureOf(plot);
    if (!figure) return Promise.resolve();
    return Plotly.react(plot, themed(figure.data), layoutOf(figure, plot.clientWidth), {
      ...CONFIG, staticPlot: print.matches,
    }).then(() => {
      plot.querySelector(".chart-sketch")?.remove();
      leadOn(plot);
      plot.dataset.drawn = "true";
    });
  }

  function shape(kind, attributes, paint) {
    const made = document.createElementNS(SVG, kind);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    Object.assign(made.style, paint);
    return made;
  }

  // Bars on top of each other, or lines from left to right: the outline of what plotly draws.
  function sketch(plot) {
    const figure = figureOf(plot);
    if (!figure || plot.childElementCount || figure.data.some((trace) => trace.orientation === "h")) return;
    const width = plot.clientWidth, height = figure.layout.height ?? 260, base = height - 30, left = 40;
    const bars = figure.data.filter((trace) => trace.type === "bar");
    const lines = figure.data.filter((trace) => trace.type === "scatter");
    const places = [...new Set(figure.data.flatMap((trace) => trace.x))];
    if (figure.layout.xaxis?.type === "date") places.sort();
    const sums = new Map();
    for (const { x, y } of bars) x.forEach((name, at) => sums.set(name, (sums.get(name) ?? 0) + Math.max(0, y[at])));
    const top = Math.max(0, ...sums.values(), ...lines.flatMap((trace) => trace.y.map(Number))) || 1;
    const step = (width - left) / places.length, scale = (base - 12) / top;
    const from = new Map(places.map((name, at) => [name, left + step * at]));
    const drawing = shape("svg", { class: "chart-sketch", width, height, "aria-hidden": "true" }, { display: "block" });
    drawing.append(shape("line", { x1: left, x2: width, y1: base, y2: base }, { stroke: "var(--line)" }));
    const reached = new Map();
    for (const { x, y, marker } of bars) {
      x.forEach((name, at) => {
        const tall = Math.max(0, y[at]) * scale, above = (reached.get(name) ?? base) - tall;
        reached.set(name, above);
        const fill = Array.isArray(marker.color) ? marker.color[at] : marker.color;
        const box = { x: from.get(name) + step * 0.125, y: above, width: step * 0.75, height: tall };
        if (tall) drawing.append(shape("rect", box, { fill }));
      });
    }
    for (const { x, y, line } of lines) {
      const points = x.map((name, at) => `${from.get(name) + step / 2},${base - y[at] * scale}`);
      drawing.append(shape("polyline", { points: points.join(" "), fill: "none" }, { stroke: line.color, strokeWidth: line.width }));
    }
    plot.append(drawing);
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
    if (!window.Plotly) return;
    within.querySelectorAll(".chart-plot[data-figure]").forEach(draw);
  }

  const painted = () => new Promise((resolve) => { requestAnimationFrame(() => setTimeout(resolve)); });

  // Without it, the sketches and the tables below them stay.
  const loaded = () => new Promise((resolve) => {
    const script = document.createElement("script");
    Object.assign(script, { src: PLOTLY, onload: resolve, onerror: resolve });
    document.head.append(script);
  });

  // One after the other, so that the first one is seen while the rest is drawn.
  (async () => {
    const plots = document.querySelectorAll(".chart-plot[data-figure]");
    if (!plots.length) return;
    plots.forEach(sketch);
    await painted();
    await loaded();
    if (!window.Plotly) return;
    for (const plot of plots) {
      await draw(plot);
      await painted();
    }
  })();
  dark.addEventListener("change", () => drawAll());
  print.addEventListener("change", () => drawAll());
  document.addEventListener("htmx:after:swap", () => drawAll());
})();
