// Numbers, times and durations as a person reads them.

const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const minutes = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

const units = { degC: "°C", degF: "°F", "1": "" };

export const unit = text => units[text] ?? text ?? "";

/** Four significant digits, without an exponent where that can be read. */
export function number(value, digits = 4) {
  if (value === null || value === undefined || !Number.isFinite(value)) {
    return "–";
  }

  const size = Math.abs(value);
  return size !== 0 && (size >= 1e6 || size < 1e-3)
    ? value.toExponential(2)
    : value.toFixed(Math.max(0, Math.min(6, digits - 1 - Math.floor(Math.log10(Math.max(size, 0.1))))));
}

export const withUnit = (value, text) => (unit(text) ? `${number(value)} ${unit(text)}` : number(value));

export const percent = value => (value === null || value === undefined ? "–" : `${Math.round(value * 100)} %`);

export const time = ms => clock.format(ms);

/** A time with its day where that is not today. */
export const moment = ms => (day.format(ms) === day.format(Date.now()) ? time(ms) : `${day.format(ms)} ${time(ms)}`);

export const dayOf = ms => day.format(ms);

export const minuteOf = ms => minutes.format(ms);

export function duration(seconds) {
  if (seconds < 90) {
    return `${seconds < 10 ? number(seconds, 2) : Math.round(seconds)} s`;
  }

  return seconds < 5400 ? `${Math.round(seconds / 60)} min` : seconds < 172800
    ? `${Math.round(seconds / 3600)} h` : `${Math.round(seconds / 86400)} days`;
}

export function bytes(count) {
  const steps = ["B", "kB", "MB", "GB", "TB"];
  const step = Math.min(steps.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  return `${number(count / 1000 ** step, 3)} ${steps[step]}`;
}
