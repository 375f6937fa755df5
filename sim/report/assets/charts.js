// Draws the charts of the page with Observable Plot, as SVG in the colours of the page.
"use strict";
const charts = (() => {
  const { words } = report;
  const { fill, hundredths, plain, rough, scale, chance } = numbers;
  const NARROW = 420;

  const tip = { fontSize: 13, lineHeight: 1.3, textPadding: 9, strokeOpacity: 0.4 };
  const base = (width, options) => Plot.plot({
    width, style: { background: "transparent", color: "var(--ink)", fontSize: "12px" }, marginTop: 14,
    marginRight: 14, ...options,
  });
  const ticks = (width, span = 72) => Math.max(3, Math.floor(width / span));
  const steps = (horizon, width) => {
    const step = [1, 2, 3, 6, 12, 24, 60].find((one) => horizon / one <= width / 46) || 60;
    return d3.range(0, horizon + 1, step);
  };

  function histogram(width, chart, { unit, divisor, axis, over = null }) {
    const total = d3.sum(chart.shares);
    const rows = chart.shares.map((share, i) => ({
      low: (chart.start + i * chart.width) / divisor, high: (chart.start + (i + 1) * chart.width) / divisor,
      share: 100 * share,
    }));
    const decimals = Math.max(0, -Math.floor(Math.log10(chart.width / divisor) + 1e-9));
    const told = (row) => `${fill(words.to, { low: plain(row.low, decimals), high: plain(row.high, decimals) })} ${unit}\n` +
      fill(words.of_samples, { share: hundredths(plain(row.share, 1)) });
    const marks = [
      Plot.rectY(rows, { x1: "low", x2: "high", y: "share", insetLeft: 0.5, insetRight: 0.5,
        fill: (row) => (row.high <= 1e-12 ? "var(--drop)" : "var(--gain)") }),
    ];
    if (over) {
      const outline = over.shares.flatMap((share, i) => [
        { x: (over.start + i * over.width) / divisor, y: 100 * share },
        { x: (over.start + (i + 1) * over.width) / divisor, y: 100 * share }]);
      marks.push(Plot.line(outline, { x: "x", y: "y", stroke: "var(--ink)", strokeWidth: 1.4 }));
    }
    const top = d3.max([...rows.map((row) => row.share), ...(over ? over.shares.map((s) => 100 * s) : [])]);
    const line = (value, dash) => Plot.ruleX([value / divisor], { stroke: "var(--ink)", strokeWidth: 2, strokeDasharray: dash });
    if (!over && total > 0) {
      marks.push(Plot.ruleY([0], { x1: chart.low / divisor, x2: chart.high / divisor, stroke: "var(--ink)", strokeWidth: 5 }));
      marks.push(line(chart.median));
      if (chart.mean !== null) marks.push(line(chart.mean, "3,3"));
    }
    marks.push(Plot.ruleX([0], { stroke: "var(--ink)", strokeWidth: 1 }));
    marks.push(Plot.tip(rows, Plot.pointerX({ x1: "low", x2: "high", y: "share", title: told, ...tip })));
    return base(width, {
      height: over ? 190 : Math.min(280, Math.max(180, width * 0.5)), marginLeft: 14, marginBottom: 40, ariaLabel: chart.alt,
      x: { label: axis, labelAnchor: "center", labelArrow: "none", ticks: ticks(width), tickFormat: (v) => plain(v, v % 1 ? 2 : 0) },
      y: { axis: null, domain: [0, top * 1.06] }, marks,
    });
  }

  const draw = {
    npv(width, chart) {
      const ends = [chart.start, chart.start + chart.width * chart.shares.length].map(Math.abs);
      const [divisor, unit] = scale(Math.max(...ends));
      return histogram(width, chart, { unit, divisor, axis: fill(words.npv_axis, { unit }) });
    },
    roi(width, chart) {
      return histogram(width, chart, { unit: "%", divisor: 0.01, axis: words.roi_axis });
    },
    payback(width, chart) {
      const looks = [["var(--main)", 3, null], ["var(--muted)", 1.5, "1,3"], ["var(--ink)", 1.5, "5,3"]];
      const rows = chart.curves.map((curve) => curve.shares.map((share, month) => ({ month, share: 100 * share, name: curve.name })));
      const [lasting] = rows;
      const told = (row) => `${fill(words.month, { month: row.month })}\n` +
        rows.map((curve) => `${curve[row.month].name}: ${hundredths(plain(curve[row.month].share, 0))}`).join("\n");
      const marks = rows.map((curve, i) => Plot.line(curve, { x: "month", y: "share", stroke: looks[i][0], strokeWidth: looks[i][1], strokeDasharray: looks[i][2] }));
      const paid = 100 * (1 - chart.never);
      if (chart.never > 0) {
        marks.push(Plot.ruleX([chart.horizon * 1.02], { y1: paid, y2: 100, stroke: "var(--loss)", strokeWidth: 6 }));
        marks.push(Plot.text([{ x: chart.horizon, y: 100 }], { x: "x", y: "y", dx: -2, dy: -9, textAnchor: "end", fill: "var(--loss)", fontWeight: 650,
          text: () => fill(words.never, { months: chart.horizon, share: hundredths(plain(100 * chart.never, 0)) }) }));
      }
      marks.push(Plot.ruleX(lasting, Plot.pointerX({ x: "month", stroke: "var(--muted)" })));
      marks.push(Plot.tip(lasting, Plot.pointerX({ x: "month", y: "share", title: told, ...tip })));
      return base(width, { height: Math.min(280, Math.max(width < NARROW ? 200 : 180, width * 0.5)), marginTop: width < NARROW ? 40 : 26, marginLeft: 40, marginBottom: 40, ariaLabel: chart.alt,
        x: { label: words.months_axis, labelAnchor: "center", labelArrow: "none", domain: [0, chart.horizon * 1.03], ticks: steps(chart.horizon, width), tickFormat: (v) => `${v}` },
        y: { label: words.share_axis, labelArrow: "none", domain: [0, 100], grid: true, ticks: 5 }, marks });
    },
    cash(width, chart) {
      const [divisor, unit] = scale(Math.max(...chart.p05.map(Math.abs), ...chart.p95.map(Math.abs)));
      const rows = chart.months.map((month, i) => ({ month, date: chart.dates[i],
        ...Object.fromEntries(["mean", "p05", "p25", "p50", "p75", "p95"].map((name) => [name, chart[name][i] / divisor])) }));
      const line = (row, name, low, high) => `${name}: ${low === high ? rough(row[low]) : fill(words.range, { low: rough(row[low]), high: rough(row[high]) })}`;
      const told = (row) => [fill(words.month, { month: row.month }) + (row.date ? ` (${row.date})` : ""),
        line(row, words.median, "p50", "p50"), ...(chart.certain ? [] : [line(row, words.half, "p25", "p75"), line(row, words.most, "p05", "p95")])].join("\n");
      const marks = chart.certain ? [] : [Plot.areaY(rows, { x: "month", y1: "p05", y2: "p95", fill: "var(--pale)" }),
        Plot.areaY(rows, { x: "month", y1: "p25", y2: "p75", fill: "var(--middle)" })];
      marks.push(Plot.line(rows, { x: "month", y: "p50", stroke: "var(--ink)", strokeWidth: 2.4 }), Plot.ruleY([0], { stroke: "var(--ink)" }));
      if (chart.crossing) marks.push(Plot.dot([chart.crossing], { x: (v) => v, y: () => 0, r: 4.5, fill: "var(--ink)" }),
        Plot.text([chart.crossing], { x: (v) => v, y: () => 0, dy: -12, dx: -4, textAnchor: "end", fontWeight: 650, stroke: "var(--paper)", strokeWidth: 4, fill: "var(--ink)",
          text: (v) => fill(words.breaks_even, { month: plain(v, 1) }) }));
      marks.push(Plot.ruleX(rows, Plot.pointerX({ x: "month", stroke: "var(--muted)" })), Plot.tip(rows, Plot.pointerX({ x: "month", y: "p50", title: told, ...tip })));
      const horizon = chart.months[chart.months.length - 1];
      return base(width, { height: Math.min(300, Math.max(180, width * 0.5)), marginTop: 26, marginLeft: 52, marginBottom: 40, ariaLabel: chart.alt,
        x: { label: words.months_axis, labelAnchor: "center", labelArrow: "none", ticks: steps(horizon, width), tickFormat: (v) => `${v}` },
        y: { label: fill(words.cash_axis, { unit }), labelArrow: "none", grid: true, ticks: 6, tickFormat: (v) => plain(v, v % 1 ? 1 : 0) }, marks });
    },
    waterfall(width, chart) {
      const [divisor, unit] = scale(d3.max(chart.rows, (row) => Math.max(Math.abs(row.from), Math.abs(row.to))));
      const rows = chart.rows.map((row, i) => ({ ...row, at: `${i}`, a: row.from / divisor, b: row.to / divisor }));
      const names = new Map(rows.map((row) => [row.at, row.name]));
      const colour = (row) => (row.net ? "var(--ink)" : row.value < 0 ? "var(--loss)" : "var(--main)");
      const links = rows.slice(0, -1).map((row, i) => ({ x: row.b, y1: row.at, y2: rows[i + 1].at }));
      const decimals = Math.max(0, 2 - Math.floor(Math.log10(d3.max(rows, (row) => Math.abs(row.value)) / divisor || 1)));
      const room = width < NARROW ? 92 : 168;
      return base(width, { height: 34 * rows.length + 62, marginLeft: room, marginRight: 62, marginBottom: 42, ariaLabel: chart.alt,
        y: { domain: rows.map((row) => row.at), label: null, tickSize: 0, padding: 0.32, axis: null },
        x: { label: fill(words.value_axis, { unit }), labelAnchor: "center", labelArrow: "none", grid: true, ticks: ticks(width - room - 62), nice: true, tickFormat: (v) => plain(v, v % 1 ? 2 : 0) },
        marks: [
          Plot.axisY({ tickSize: 0, label: null, tickFormat: (at) => names.get(at), lineWidth: room / 14, textOverflow: "ellipsis", fontSize: 12.5 }),
          Plot.barX(rows, { y: "at", x1: "a", x2: "b", fill: colour }),
          Plot.link(links, { x1: "x", x2: "x", y1: "y1", y2: "y2", stroke: "var(--muted)", strokeDasharray: "2,2" }),
          Plot.ruleX([0], { stroke: "var(--ink)" }),
          Plot.text(rows, { y: "at", x: (row) => Math.max(row.a, row.b), dx: 6, textAnchor: "start", fontWeight: (row) => (row.net ? 700 : 500),
            text: (row) => (row.value > 0 && !row.net ? "+" : "") + plain(row.value / divisor, decimals) }),
        ] });
    },
    drivers(width, chart) {
      const largest = d3.max(chart.rows, (row) => Math.max(...row.npv.map(Math.abs)));
      const [divisor, unit] = scale(Math.max(largest, Math.abs(chart.mean)));
      const narrow = width < 560;
      const rows = chart.rows.map((row) => ({ ...row, low: row.npv[0] / divisor, high: row.npv[1] / divisor }));
      const ends = rows.flatMap((row) => [0, 1].map((i) => ({ key: row.key, x: row.npv[i] / divisor, other: row.npv[1 - i] / divisor, at: row.at[i], row, which: i ? words.high : words.low })));
      const names = new Map(rows.map((row) => [row.key, row.name]));
      const room = narrow ? 14 : 300;
      return base(width, { height: (narrow ? 52 : 34) * rows.length + 62, marginLeft: room, marginRight: narrow ? 14 : 50, marginBottom: 42, ariaLabel: chart.alt,
        y: { domain: rows.map((row) => row.key), label: null, axis: null, padding: narrow ? 0.62 : 0.36 },
        x: { label: fill(words.mean_npv_axis, { unit }), labelAnchor: "center", labelArrow: "none", grid: true, ticks: ticks(width - room, 80), inset: narrow ? 34 : 40, tickFormat: (v) => plain(v, v % 1 ? 2 : 0) },
        marks: [
          narrow ? Plot.text(rows, { y: "key", frameAnchor: "left", dy: -20, text: "name", textAnchor: "start", fontSize: 12, lineWidth: width / 12, textOverflow: "ellipsis" })
            : Plot.axisY({ tickSize: 0, label: null, tickFormat: (key) => names.get(key), lineWidth: room / 14, textOverflow: "ellipsis", fontSize: 12.5 }),
          Plot.barX(rows, { y: "key", x1: "low", x2: "high", fill: (row) => (row.measured ? "var(--main)" : "var(--middle)") }),
          Plot.ruleX([chart.mean / divisor], { stroke: "var(--ink)", strokeWidth: 1.6 }),
          Plot.ruleX([0], { stroke: "var(--ink)", strokeDasharray: "2,3" }),
          Plot.text(ends.filter((end) => end.x < end.other), { y: "key", x: "x", dx: -5, textAnchor: "end", text: "at", fill: "var(--muted)", stroke: "var(--paper)", strokeWidth: 4, fontSize: 11 }),
          Plot.text(ends.filter((end) => end.x >= end.other), { y: "key", x: "x", dx: 5, textAnchor: "start", text: "at", fill: "var(--muted)", stroke: "var(--paper)", strokeWidth: 4, fontSize: 11 }),
          Plot.tip(ends, Plot.pointer({ y: "key", x: "x", title: (end) => `${end.row.name}\n${end.which}: ${end.at}\n${rough(end.x)} ${unit}`, ...tip })),
        ] });
    },
    effects: (width, chart) => chart.panels.map((panel) => [panel.title, intervals(width, panel, chart.alt)]),
    periods: (width, chart) => chart.panels.map((panel) => [panel.title, course(width, panel, chart.alt)]),
  };

  function intervals(width, panel, alt) {
    const narrow = width < 560;
    const room = narrow ? 86 : 150;
    const rows = panel.rows.map((row, i) => ({ ...row, at: `${i}` }));
    const names = new Map(rows.map((row) => [row.at, row.name]));
    const told = (text) => (panel.unit === "%" ? hundredths(text) : text);
    const shown = (row) => (narrow ? told(row.told) : `${told(row.told)}  (${told(row.ends)})`);
    return base(width, { height: 27 * rows.length + 50, marginLeft: room, marginRight: narrow ? 66 : 210, marginTop: 6, marginBottom: 34, ariaLabel: `${panel.title}. ${alt}`,
      y: { domain: rows.map((row) => row.at), label: null, axis: null, padding: 0.4 },
      x: { label: null, grid: true, inset: 8, ticks: ticks(width - room - 200, 60), tickFormat: (v) => told(plain(v, v % 1 ? 2 : 0)) },
      marks: [
        Plot.axisY({ tickSize: 0, label: null, tickFormat: (at) => names.get(at), lineWidth: room / 14, textOverflow: "ellipsis", fontSize: 12.5 }),
        Plot.ruleX([0], { stroke: "var(--ink)" }),
        Plot.ruleY(rows, { y: "at", x1: "low", x2: "high", stroke: (row) => (row.pooled ? "var(--main)" : "var(--middle)"), strokeWidth: (row) => (row.pooled ? 6 : 3.5) }),
        Plot.dot(rows, { y: "at", x: "mean", r: (row) => (row.pooled ? 6 : 4), fill: "var(--ink)", stroke: "var(--paper)" }),
        Plot.text(rows, { y: "at", frameAnchor: "right", dx: narrow ? 62 : 204, textAnchor: "end", text: shown, fontWeight: (row) => (row.pooled ? 650 : 400) }),
        Plot.tip(rows, Plot.pointerY({ y: "at", x: "mean", title: (row) => `${row.name}\n${told(row.told)} (${told(row.ends)})`, ...tip })),
      ] });
  }

  function course(width, panel, alt) {
    const rows = panel.rows;
    const few = Math.max(1, Math.ceil((rows.length * (10 + 7 * d3.max(rows, (row) => row.name.length))) / width));
    const marks = [
      Plot.ruleY([0], { stroke: "var(--ink)" }),
      Plot.ruleX(rows, { x: "name", y1: "low", y2: "high", stroke: "var(--middle)", strokeWidth: 3 }),
      Plot.dot(rows, { x: "name", y: "mean", r: 4, fill: "var(--ink)" }),
      Plot.tip(rows, Plot.pointerX({ x: "name", y: "mean", title: (row) => `${row.name}\n${hundredths(plain(row.mean, 1))} (${hundredths(fill(words.range, { low: plain(row.low, 1), high: plain(row.high, 1) }))})`, ...tip })),
    ];
    if (panel.pooled !== null) marks.unshift(Plot.ruleY([panel.pooled], { stroke: "var(--main)", strokeWidth: 2 }));
    return base(width, { height: 190, marginLeft: 44, marginBottom: 32, ariaLabel: `${panel.title}. ${alt}`,
      x: { domain: rows.map((row) => row.name), label: null, ticks: rows.filter((_, i) => i % few === 0).map((row) => row.name), tickSize: 0 },
      y: { label: null, grid: true, ticks: 5, tickFormat: (v) => hundredths(plain(v, v % 1 ? 1 : 0)) }, marks });
  }

  // One chart into the place that the template keeps for it, as wide as that is.
  function put(name, width = 0) {
    const place = document.querySelector(`[data-chart="${name}"] .canvas`);
    if (!place) return;
    const wide = width || Math.max(240, Math.floor(place.clientWidth));
    if (!width && place.dataset.width === `${wide}`) return;
    place.dataset.width = wide;
    const drawn = draw[name](wide, report.charts[name]);
    const list = Array.isArray(drawn) ? drawn : [[null, drawn]];
    place.replaceChildren(...list.flatMap(([title, svg]) => {
      const head = title === null ? null : Object.assign(document.createElement("h4"), { textContent: title });
      return [head, svg].filter((node) => node !== null).map(marked);
    }));
  }
  const marked = (node) => {
    const svg = node.tagName === "svg" ? node : node.querySelector("svg");
    if (svg) {
      svg.setAttribute("role", "img"); // one picture with one text; its parts say nothing by themselves
      svg.querySelectorAll("[aria-label]").forEach((part) => part.removeAttribute("aria-label"));
    }
    return node;
  };
  const all = (width) => Object.keys(report.charts).forEach((name) => put(name, width));
  all();
  new ResizeObserver(() => requestAnimationFrame(() => all())).observe(document.querySelector("main"));
  // A sheet of A4 is narrower than most screens, and its layout is not known before it is printed.
  const print = () => Object.keys(report.charts).forEach((name) => {
    const pair = document.querySelector(`.charts [data-chart="${name}"]`);
    put(name, pair ? 320 : 650);
  });
  addEventListener("beforeprint", print);
  addEventListener("afterprint", () => all());
  matchMedia("print").addEventListener("change", (media) => (media.matches ? print() : all()));
  return { histogram, marked };
})();
