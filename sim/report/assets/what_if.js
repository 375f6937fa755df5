// Recomputes the forecast under other numbers, sample by sample, by the engine's own definitions.
"use strict";
const whatIf = (() => {
  const given = report.what_if;
  if (!given) return null;
  const { words } = report;
  const { fill, array, money, percent, months, chance, plain, hundredths, scale } = numbers;
  const n = given.samples, long = given.longest + 1;
  const keys = given.keys.map((key) => ({ ...key, values: key.values && array(key.values) }));
  const place = new Map(keys.map((key, i) => [key.key, i]));
  const LEAD = { end: 0, mid: 0.5, start: 1 }[given.timing];

  // Cash of every sample and month, put together from few columns.
  const terms = given.terms.map(({ sign, keys, rank, left, right }) => {
    const a = array(left), b = array(right), cash = new Float64Array(n * long);
    for (let i = 0; i < n; i++)
      for (let k = 0; k < rank; k++) {
        const weight = a[i * rank + k];
        for (let t = 0; t < long; t++) cash[i * long + t] += weight * b[k * long + t];
      }
    return { sign, keys, cash };
  });
  const column = (one) => (one.values ? array(one.values) : null);
  const rates = column(given.rate), inflation = given.inflation && column(given.inflation);

  // Log growth a year, in the basis of the cash.
  function growth(i, stated) {
    const rate = stated ?? (rates ? rates[i] : given.rate.mean);
    if (!given.convert) return Math.log1p(rate);
    const prices = Math.log1p(inflation ? inflation[i] : given.inflation.mean);
    return Math.log1p(rate) + (given.convert === "to-nominal" ? prices : -prices);
  }

  // Month in which the cumulative flow reaches zero to stay there, interpolated; infinity beyond the horizon.
  function payback(net, horizon) {
    let total = 0, absolute = 0, last = -1, before = 0;
    for (let t = 0, held = 0; t <= horizon; t++) {
      held = total;
      total += net[t]; absolute += Math.abs(net[t]);
      // No more than rounding: the bound of recursive summation of numbers kept to the sixth digit.
      if (total < -1e-6 * absolute) { last = t; before = total; }
    }
    if (last < 0) return 0;
    if (last === horizon) return Infinity;
    const flow = net[last + 1];
    return last + (flow > 0 ? Math.min(1, Math.max(0, -before / flow)) : 1);
  }

  function compute(changes) {
    const horizon = Math.round(changes["programme.horizon"] ?? report.horizon);
    const npv = new Float64Array(n), roi = [], pay = new Float64Array(n), net = new Float64Array(long);
    let gained = 0, spent = 0;
    const moved = terms.map((term) => term.keys.filter((k) => keys[k].key in changes));
    for (let i = 0; i < n; i++) {
      let benefit = 0, cost = 0;
      net.fill(0);
      terms.forEach((term, at) => {
        let factor = term.sign;
        for (const k of moved[at]) factor *= changes[keys[k].key] / (keys[k].values ? keys[k].values[i] : keys[k].mean);
        let sum = 0;
        for (let t = 0, from = i * long; t <= horizon; t++) { const cash = factor * term.cash[from + t]; net[t] += cash; sum += cash; }
        if (term.sign > 0) benefit += sum; else cost -= sum;
      });
      const rate = growth(i, changes[given.rate.key]);
      let value = net[0];
      for (let t = 1; t <= horizon; t++) value += net[t] * Math.exp((-rate * (t - LEAD)) / 12);
      npv[i] = value; pay[i] = payback(net, horizon);
      if (cost > 0) roi.push((benefit - cost) / cost);
      gained += benefit; spent += cost;
    }
    return { horizon, npv: told(npv), roi: { ...told(Float64Array.from(roi)), expected: spent > 0 ? (gained - spent) / spent : null },
      payback: { ...told(pay), never: share(pay, (v) => v === Infinity) }, loss: share(npv, (v) => v < 0), samples: npv };
  }
  const share = (values, holds) => values.reduce((sum, v) => sum + (holds(v) ? 1 : 0), 0) / values.length;

  // Quantiles by linear interpolation; none where they lie beyond the horizon.
  function told(values) {
    if (!values.length) return { mean: null, median: null, low: null, high: null, error: 0 };
    const ranked = values.slice().sort();
    const at = (p) => {
      const where = (ranked.length - 1) * p, i = Math.floor(where), low = ranked[i], high = ranked[Math.min(i + 1, ranked.length - 1)];
      const value = where === i || low === high ? low : low + (high - low) * (where - i);
      return isFinite(value) ? value : null;
    };
    const mean = d3.mean(values), spread = ranked[0] === ranked[ranked.length - 1] ? 0 : d3.deviation(values);
    const low = at(0.05), high = at(0.95);
    const error = isFinite(spread) ? spread / Math.sqrt(values.length)
      : (1.2533 * ((high ?? report.horizon) - (low ?? 0))) / 3.29 / Math.sqrt(values.length);
    return { mean: isFinite(mean) ? mean : null, median: at(0.5), low, high, error: values.length > 1 ? error : 0 };
  }

  const bins = (values, start, width, count) => {
    const shares = new Array(count).fill(0);
    values.forEach((value) => { const i = Math.floor((value - start) / width); if (i >= 0 && i < count) shares[i] += 1 / values.length; });
    return { start, width, shares };
  };

  const panel = document.getElementById("what-if-panel");
  const sliders = (report.sliders || []).flatMap((group) => group.sliders);
  const changes = {};
  const forecast = compute({});

  function words_of(result) {
    const { npv, roi, payback } = result;
    const ends = (low, high) => (low === high ? low : fill(words.range, { low, high }));
    return {
      npv: [fill(words.amount, { number: money(npv.mean, npv.error), currency: report.currency }), fill(words.interval, { interval: ends(money(npv.low, npv.error), money(npv.high, npv.error)) })],
      roi: [percent(roi.expected, roi.error), fill(words.interval, { interval: ends(percent(roi.low, roi.error), percent(roi.high, roi.error)) })],
      payback: [payback.median === null ? fill(words.beyond, { month: result.horizon }) : fill(words.months, { months: months(payback.median, payback.error) }),
        fill(words.never, { months: result.horizon, share: chance(payback.never, n) })],
      loss: [chance(result.loss, n), ""],
    };
  }

  function show() {
    const result = compute(changes), shown = words_of(result), was = words_of(forecast);
    const moved = Object.keys(changes).length > 0;
    for (const [name, [figure, more]] of Object.entries(shown)) {
      const tile = panel.querySelector(`[data-figure="${name}"]`);
      tile.querySelector(".figure").textContent = figure;
      tile.querySelector(".extra").textContent = more;
      tile.querySelector(".was").textContent = moved ? fill(words.was, { value: was[name][0] }) : "";
    }
    panel.querySelector("[aria-live]").textContent = fill(words.announce, { npv: shown.npv[0], roi: shown.roi[0], payback: shown.payback[0], loss: shown.loss[0] });
    const sets = Object.entries(changes).map(([key, value]) => ` --set ${quoted(`${key}=${value}`)}`);
    panel.querySelector("code").textContent = report.command + sets.join("");
    panel.querySelector("#reset-all").disabled = !sets.length;
    distribution(result);
    return result;
  }
  // As a shell takes it.
  const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replace(/'/g, `'"'"'`)}'`);

  function distribution(result) {
    const place = panel.querySelector(".canvas");
    const width = Math.floor(place.clientWidth);
    if (!width) return;
    const both = [...result.samples, ...forecast.samples].sort((a, b) => a - b);
    const low = d3.quantileSorted(both, 0.004), high = d3.quantileSorted(both, 0.996);
    const raw = Math.max(high - low, Math.abs(high) * 1e-6, 1e-9) / 40, power = 10 ** Math.floor(Math.log10(raw));
    const step = [1, 2, 2.5, 5, 10].find((one) => one * power >= raw * 0.999) * power;
    const start = Math.floor(low / step) * step, count = Math.ceil((high - start) / step);
    const [divisor, unit] = scale(Math.max(Math.abs(low), Math.abs(high)));
    const svg = charts.histogram(width, { ...bins(result.samples, start, step, count), alt: words.changed },
      { unit, divisor, axis: fill(words.npv_axis, { unit }), over: bins(forecast.samples, start, step, count) });
    place.replaceChildren(charts.marked(svg));
  }

  let waiting = 0;
  const soon = () => { cancelAnimationFrame(waiting); waiting = requestAnimationFrame(show); };

  function connect(slider) {
    const row = panel.querySelector(`[data-key="${CSS.escape(slider.key)}"]`);
    const [range, entry, reset] = ["input[type=range]", "input[type=number]", "button"].map((one) => row.querySelector(one));
    const stated = statedOf(slider.key);
    const exact = (value) => Number((value * slider.scale).toPrecision(10));
    const put = (value) => {
      changes[slider.key] = value;
      row.classList.add("moved"); reset.disabled = false; soon();
    };
    const back = () => {
      delete changes[slider.key];
      range.value = exact(stated.mean); entry.value = Number(exact(stated.mean).toPrecision(stated.certain ? 10 : 3));
      row.classList.remove("moved"); reset.disabled = true; soon();
    };
    range.addEventListener("input", () => { entry.value = range.value; put(Number((range.value / slider.scale).toPrecision(12))); });
    entry.addEventListener("input", () => {
      if (entry.value === "" || !entry.checkValidity()) return;
      range.value = entry.value; put(Number((entry.value / slider.scale).toPrecision(12)));
    });
    reset.addEventListener("click", () => { back(); range.focus(); });
    const show_ = (value) => (slider.scale === 100 ? hundredths(plain(100 * value, 1)) : numbers.rough(value));
    row.querySelector(".stated").textContent = stated.certain
      ? fill(words.certain, { value: slider.scale === 100 ? hundredths(plain(exact(stated.mean), 6, 0)) : plain(exact(stated.mean), 6, 0) })
      : fill(words.stated, { value: fill(words.range, { low: show_(stated.low), high: show_(stated.high) }) });
    back();
    return back;
  }
  function statedOf(key) {
    if (key === "programme.horizon") return { mean: report.horizon, certain: true };
    const one = key === given.rate.key ? given.rate : keys[place.get(key)];
    return { mean: one.mean, low: one.low, high: one.high, certain: one.values === null };
  }

  if (panel) {
    const backs = sliders.map(connect);
    panel.querySelector("#reset-all").addEventListener("click", () => backs.forEach((back) => back()));
    panel.hidden = false;
    show();
    let width = panel.clientWidth;
    new ResizeObserver(() => { if (panel.clientWidth !== width) { width = panel.clientWidth; soon(); } }).observe(panel);
  }
  return { compute, words_of };
})();
