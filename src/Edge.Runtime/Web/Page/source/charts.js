// The curves of one stream: a chart for each channel and one for the score, over the same time.
import uPlot from "uplot";
import { color, el } from "./dom.js";
import { dayOf, duration, minuteOf, number, time, unit } from "./format.js";

const dayMs = 86400000;

function times(u, splits, axis, space, step) {
  let last = null;
  return splits.map(at => {
    const day = dayOf(at);
    const isNew = last !== null && day !== last;
    last = day;
    if (step >= dayMs) {
      return day;
    }

    const text = step >= 60000 ? minuteOf(at) : time(at);
    return isNew ? `${day}\n${text}` : text;
  });
}

/** Decimals that steps of an axis have. */
const decimals = step => [0, 1, 2, 3, 4, 5].find(digits => Math.abs(step * 10 ** digits - Math.round(step * 10 ** digits)) < 1e-6) ?? 6;

/** Places of points that no line reaches, because the ones beside them have no value. */
const isolated = (u, series) => u.data[series].map((value, i, all) => (
  value !== null && (all[i - 1] ?? null) === null && (all[i + 1] ?? null) === null ? i : -1)).filter(i => i >= 0);

const dots = stroke => ({ show: false, filter: isolated, size: 4, width: 0, fill: stroke });

/** A color, written #rrggbb, with less opacity. */
const faint = (name, share) => `${color(name)}${Math.round(share * 255).toString(16).padStart(2, "0")}`;

export class Charts {
  /**
   * @param place where they go
   * @param card the stream's columns, units and limits
   * @param onRange called with from and to, in ms, when a person has chosen a span
   */
  constructor(place, card, onRange) {
    this.place = place;
    this.card = card;
    this.onRange = onRange;
    this.sync = uPlot.sync(`stream-${card.name}`);
    this.range = [0, 1];
    this.spans = [];
    this.all = [];
    this.shown = card.columns.map((_, i) => i).slice(0, 8);
    this.build();
    this.sized = new ResizeObserver(() => this.resize());
    this.sized.observe(place);
  }

  destroy() {
    this.sized.disconnect();
    this.clear();
  }

  clear() {
    this.all.forEach(chart => chart.plot.destroy());
    this.all = [];
    this.place.replaceChildren();
  }

  /** Makes the charts again, in the colors of the theme. */
  build() {
    this.clear();
    for (const column of this.shown) {
      this.all.push(this.channel(column));
    }

    this.all.push(this.score());
  }

  channel(column) {
    const name = this.card.columns[column];
    const box = el("section", { class: "chart", "aria-label": `Curve of ${name}` });
    const value = el("b");
    const ahead = el("span", { class: "quiet" });
    box.append(el("h3", {}, `${name} `, value, " ", ahead));
    this.place.append(box);
    const line = color("line");
    const band = { points: { show: false }, stroke: "transparent", width: 0 };
    const plot = this.plot(box, innerWidth < 900 ? 150 : 190, unit(this.card.units[column]), [
      { stroke: line, width: 1.5, points: dots(line) },
      { ...band },
      { ...band },
      { ...band },
      { ...band },
      { stroke: color("ahead"), width: 2, dash: [5, 4], points: { show: false } },
    ], [
      { series: [3, 2], fill: faint("line", 0.25) },
      { series: [5, 4], fill: faint("ahead", 0.22) },
    ], u => this.drawLimits(u, name), (u, low, high) => this.scale(name, low, high));
    return { plot, box, column, value, ahead };
  }

  score() {
    const box = el("section", { class: "chart", "aria-label": "Curve of the anomaly score" });
    const value = el("b");
    box.append(el("h3", {}, "anomaly score ", value, " ", el("span", { class: "quiet" }, "abnormal from 1 on")));
    this.place.append(box);
    const plot = this.plot(box, 110, "", [
      { stroke: color("score"), width: 1.5, fill: faint("score", 0.2), points: { show: false } },
    ], [], u => this.level(u, 1, color("bad"), "1"), (u, low, high) => [0, Math.max(1.3, (high ?? 0) * 1.1)]);
    return { plot, box, column: -1, value };
  }

  plot(box, height, label, series, bands, draw, range) {
    const axis = { stroke: color("quiet"), grid: { stroke: color("grid"), width: 1 }, ticks: { show: false }, font: "12px system-ui" };
    return new uPlot({
      width: Math.max(200, this.place.clientWidth),
      height,
      ms: 1,
      padding: [8, 20, 0, 0],
      cursor: { sync: { key: this.sync.key, setSeries: false }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      legend: { show: false },
      scales: {
        x: { time: true, range: () => this.range },
        y: { range: (u, low, high) => range(u, low, high) },
      },
      axes: [
        { ...axis, values: times, space: 84, size: 28 },
        { ...axis, size: 54, values: (u, splits, i, space, step) => splits.map(split => split.toFixed(decimals(step))) },
      ],
      series: [{}, ...series],
      bands,
      hooks: {
        drawClear: [u => this.drawSpans(u)],
        draw: [draw],
        setSelect: [u => {
          if (u.select.width > 8) {
            this.onRange(u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x"));
            u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          }
        }],
        setCursor: [u => this.showCursor(u)],
      },
    }, [[], ...series.map(() => [])], box);
  }

  /** Draws new data. */
  draw(data, events, range, forecast, open) {
    this.range = range;
    this.data = data;
    this.place.dataset.breaks = data.score.filter(each => each === null).length;
    this.place.dataset.points = data.t.length;
    this.place.dataset.from = data.t[0] ?? "";
    this.spans = spansOf(events, open);
    const byColumn = new Map((forecast ?? []).map(each => [each.column, each]));
    for (const chart of this.all) {
      chart.plot.setData(chart.column < 0 ? [data.t, data.score] : lines(data, chart.column, byColumn.get(chart.column)));
    }

    // uPlot sets its scales in a microtask of its own.
    queueMicrotask(() => this.all.forEach(chart => this.mark(chart)));
    this.showCursor(this.all[0]?.plot);
  }

  // Values under the cursor, or the newest ones.
  showCursor(u) {
    if (!u || !this.data) {
      return;
    }

    const at = u.cursor.idx;
    const isOver = at !== null && at !== undefined && at < this.data.t.length && u.cursor.left >= 0;
    const i = isOver ? at : this.data.t.length - 1;
    for (const chart of this.all) {
      const value = chart.column < 0 ? this.data.score[i] : this.data.v[chart.column][i];
      const text = chart.column < 0 ? number(value, 2) : `${number(value)} ${unit(this.card.units[chart.column])}`;
      chart.value.textContent = i >= 0 ? `${text}${isOver ? ` at ${time(this.data.t[i])}` : ""}` : "–";
    }
  }

  /** Says the farthest forecast beside the name of each channel. */
  say(forecast, now) {
    for (const chart of this.all.filter(each => each.column >= 0)) {
      const of = forecast.find(each => each.column === chart.column);
      const last = of ? of.t.length - 1 : -1;
      const seconds = last < 0 ? 0 : Math.round((of.t[last] - now) / 100) / 10;
      chart.ahead.textContent = last < 0 ? "" : `in ${duration(seconds)}: ${number(of.v[last])} (${number(of.low[last])} to ${number(of.high[last])})`;
    }
  }

  // Limits within reach of the readings belong to what is shown.
  scale(name, low, high) {
    if (low === null || low === undefined || high === null || high === undefined) {
      return [0, 1];
    }

    const span = Math.max(high - low, Math.abs(high) * 1e-3, 1e-9);
    for (const { limit } of this.card.limits.filter(each => each.column === name)) {
      if (limit > high && limit - high < span) {
        high = limit;
      } else if (limit < low && low - limit < span) {
        low = limit;
      }
    }

    return [low - 0.08 * span, high + 0.08 * span];
  }

  drawLimits(u, name) {
    for (const { limit } of this.card.limits.filter(each => each.column === name)) {
      this.level(u, limit, color("bad"), `limit ${number(limit, 3)}`);
    }
  }

  level(u, value, stroke, text) {
    const y = u.valToPos(value, "y", true);
    if (y < u.bbox.top || y > u.bbox.top + u.bbox.height) {
      return;
    }

    const { ctx } = u;
    ctx.save();
    ctx.strokeStyle = stroke;
    ctx.fillStyle = stroke;
    ctx.lineWidth = devicePixelRatio;
    ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
    ctx.beginPath();
    ctx.moveTo(u.bbox.left, y);
    ctx.lineTo(u.bbox.left + u.bbox.width, y);
    ctx.stroke();
    ctx.font = `${11 * devicePixelRatio}px system-ui`;
    ctx.textAlign = "left";
    ctx.fillText(text, u.bbox.left + 4 * devicePixelRatio, y - 3 * devicePixelRatio);
    ctx.restore();
  }

  drawSpans(u) {
    const { ctx } = u;
    ctx.save();
    for (const span of this.spans.filter(each => each.kind !== "model")) {
      const left = Math.max(u.bbox.left, u.valToPos(span.from, "x", true));
      const right = Math.min(u.bbox.left + u.bbox.width, u.valToPos(span.to ?? this.range[1], "x", true));
      if (right >= left) {
        ctx.fillStyle = faint(span.kind === "limit" ? "warn" : span.kind === "label" ? "ahead" : "bad", 0.16);
        ctx.fillRect(left, u.bbox.top, Math.max(right - left, 2 * devicePixelRatio), u.bbox.height);
      }
    }

    ctx.restore();
  }

  // A mark is a button, so that a finger, a mouse and the keyboard reach its sentence.
  mark(chart) {
    const wanted = this.spans.filter(span => span.kind === "anomaly" || span.kind === "label").filter(span =>
      (chart.column < 0 ? !this.shown.includes(span.column) : span.column === chart.column)
        && span.from >= this.range[0] && span.from <= this.range[1]);
    chart.marks ??= new Map();
    for (const [id, mark] of chart.marks) {
      if (!wanted.some(span => span.id === id)) {
        mark.remove();
        chart.marks.delete(id);
      }
    }

    for (const span of wanted) {
      let mark = chart.marks.get(span.id);
      if (!mark) {
        mark = el("button", {
          type: "button", class: `mark ${span.severity}`, title: span.message, "aria-label": span.message,
          onclick: () => document.getElementById(`event-${span.id}`)?.focus(),
        });
        chart.marks.set(span.id, mark);
        chart.plot.over.append(mark);
      }

      mark.style.left = `${chart.plot.valToPos(span.from, "x")}px`;
    }
  }

  resize() {
    const width = Math.max(200, this.place.clientWidth);
    this.all.filter(chart => chart.plot.width !== width).forEach(chart => chart.plot.setSize({ width, height: chart.plot.height }));
  }
}

/**
 * From opened to closed, one for each id.
 * @param events of the stream, the oldest first
 * @param open by kind, whether one is open now; null while that is not known
 */
export function spansOf(events, open = null) {
  const spans = new Map();
  for (const each of events) {
    const isOver = each.change !== "opened" && each.change !== "updated";
    const span = spans.get(each.id);
    if (!span) {
      spans.set(each.id, {
        id: each.id, kind: each.kind, from: each.started, to: isOver ? each.t : null, severity: each.severity, column: each.column,
        message: each.message, score: each.score, change: each.change, last: each.t,
      });
    } else if (isOver) {
      span.to = each.t;
      span.change = each.change;
      span.end = each.message;
    } else {
      span.last = each.t;
      span.severity = each.severity === "critical" ? each.severity : span.severity;
      span.score = Math.max(span.score ?? 0, each.score ?? 0);
    }
  }

  const all = [...spans.values()];
  for (const [kind, isOpen] of Object.entries(open ?? {})) {
    // A service that began again without its state says no end of what was open before.
    const unended = all.filter(each => each.kind === kind && each.to === null);
    for (const span of isOpen ? (kind === "anomaly" ? unended.slice(0, -1) : []) : unended) {
      span.to = span.last;
      span.end = "Its end was not seen.";
    }
  }

  return all;
}

// Readings, their range where a point stands for several, the interval that was forecast, and the forecast ahead from the last reading on.
function lines(data, column, ahead) {
  const v = data.v[column];
  const count = data.t.length;
  const more = ahead && ahead.t[0] > data.t[count - 1] ? ahead : { t: [], v: [], low: [], high: [] };
  const none = more.t.map(() => null);
  const from = more.t.length > 0 && count > 0 ? v[count - 1] : null;
  return [
    [...data.t, ...more.t],
    [...v, ...none],
    [...(data.min ? data.min[column] : v.map(() => null)), ...none],
    [...(data.max ? data.max[column] : v.map(() => null)), ...none],
    [...data.low[column].slice(0, -1), from ?? data.low[column].at(-1) ?? null, ...more.low].slice(0, count + more.t.length),
    [...data.high[column].slice(0, -1), from ?? data.high[column].at(-1) ?? null, ...more.high].slice(0, count + more.t.length),
    [...v.slice(0, -1).map(() => null), from, ...more.v].slice(0, count + more.t.length),
  ];
}
