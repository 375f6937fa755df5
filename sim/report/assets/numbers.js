// Numbers as text and text as arrays. All figures that the page's script shows go through here.
"use strict";
const report = JSON.parse(document.getElementById("data").textContent);

const numbers = (() => {
  const words = report.words;
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  const hundredths = (number) => fill(words.percent, { number });

  // To `decimals` decimals; negative ones round whole digits. Signs are those of the language, but for the minus.
  const plain = (value, decimals, least = decimals) => {
    const kept = Math.max(0, Math.min(decimals, 6));
    const power = 10 ** Math.min(decimals, 6);
    const rounded = Math.round(value * power) / power + 0;
    return rounded.toLocaleString(report.locale, { useGrouping: "always", minimumFractionDigits: Math.max(0, Math.min(least, kept)), maximumFractionDigits: kept }).replace("\u2212", "-");
  };
  // The last digit shown stands for at least one standard error; a certain number keeps all of its digits.
  const digits = (value, error) => {
    if (error > 0) return -Math.ceil(Math.log10(error) - 1e-9);
    return 11 - (value ? Math.floor(Math.log10(Math.abs(value))) : 0);
  };
  const to = (value, error, most) => {
    if (value === null || !isFinite(value)) return words.no_value;
    return plain(value, Math.min(digits(value, error), most), error > 0 ? most : 0);
  };
  const money = (value, error) => to(value, error, Math.abs(value) < 1e5 ? 2 : 0);
  const percent = (value, error) => {
    if (value === null) return words.no_value;
    if (value > 1000) return fill(words.over, { share: hundredths(plain(1e5, 0)) });
    return hundredths(to(100 * value, 100 * error, 2));
  };
  const months = (value, error) => to(value, error, 1);
  const chance = (share, samples) => {
    if (samples > 1 && share < 0.005) return fill(words.under, { share: hundredths("1") });
    if (samples > 1 && share > 0.995) return fill(words.over, { share: hundredths("99") });
    return hundredths(plain(100 * share, 0));
  };
  // Three significant digits, for a value read off a chart.
  const rough = (value) => {
    const size = value ? Math.floor(Math.log10(Math.abs(value))) : 0;
    return plain(value, Math.max(2 - size, -12) > 0 ? Math.max(0, 2 - size) : 2 - size);
  };
  const scale = (largest) => {
    for (const [divisor, word] of [[1e9, words.billion], [1e6, words.million], [1e3, words.thousand]])
      if (largest >= 2 * divisor) return [divisor, fill(word, { currency: report.currency })];
    return [1, report.currency];
  };
  // Numbers travel as little-endian 32-bit floats.
  const array = (text) => {
    const bytes = Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
    const view = new DataView(bytes.buffer);
    return Float64Array.from({ length: bytes.length / 4 }, (_, i) => view.getFloat32(4 * i, true));
  };
  return { fill, plain, hundredths, money, percent, months, chance, rough, scale, array };
})();
