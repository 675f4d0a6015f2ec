// One stream: its state in a sentence, its curves, events, sensors, cell and model. Live.
import { get, listen, NeedsPassword } from "./api.js";
import { buttons } from "./actions.js";
import { Cell } from "./cell.js";
import { Charts, spansOf } from "./charts.js";
import { el, put } from "./dom.js";
import { dayOf, duration, moment, number, percent, time, unit, withUnit } from "./format.js";

const ranges = [["5 min", 300], ["1 h", 3600], ["6 h", 21600], ["1 day", 86400], ["1 week", 604800], ["1 month", 2592000],
  ["1 year", 31536000]];
const qualities = ["good", "missing", "invalid", "out of range", "held", "stuck"];
const pointsWanted = 900;

// The first 64 ticks do not count; of fewer than some hundreds after them a skill says little.
const ticksToJudge = 300;
const appendedMax = 900;

// What the model file calls the model that was in use when this one was learned: it is not a simple forecast.
const modelBefore = "model in use";
const arrays = ["v", "min", "max", "low", "high"];

export class StreamPage {
  /**
   * @param place where it goes
   * @param card the stream's card
   * @param state whether there is a session, and what may be done
   * @param hooks device: called with each summary; said: called with a sentence; lost: called with whether the connection is lost
   */
  constructor(place, card, state, hooks) {
    this.place = place;
    this.card = card;
    this.state = state;
    this.hooks = hooks;
    this.span = (ranges.find(([, seconds]) => seconds / card.period_seconds >= 200) ?? ranges[ranges.length - 1])[1] * 1000;
    this.isLive = true;
    this.events = [];
    this.loads = 0;
    this.now = null;
    this.frame = null;
    this.layOut();
  }

  async open() {
    this.redraw = setInterval(() => this.isLive && this.draw(), 1000);
    this.seen = () => {
      clearTimeout(this.again);
      return document.hidden ? this.source?.close() : this.load();
    };
    document.addEventListener("visibilitychange", this.seen);
    await this.load();
  }

  close() {
    this.isClosed = true;
    clearInterval(this.redraw);
    cancelAnimationFrame(this.frame);
    clearTimeout(this.again);
    document.removeEventListener("visibilitychange", this.seen);
    this.source?.close();
    this.charts.destroy();
  }

  connect() {
    this.source?.close();
    if (this.isClosed || document.hidden) {
      return;
    }

    this.source = listen({ stream: this.card.name, ...(this.cell ? { cell: 0 } : {}), next: this.next ?? 0, next_event: this.nextEvent ?? 0 }, {
      open: () => this.hooks.lost(false),
      error: () => {
        this.hooks.lost(true);
        this.loadLater();
      },
      device: device => this.hooks.device(device),
      points: points => this.take(points),
      cell: ({ frames }) => this.cell?.take(frames),
    });
  }

  /** The span that is shown: from, to and how far forecasts reach behind it. */
  range() {
    if (!this.isLive) {
      return this.fixed;
    }

    const last = this.now?.t ?? this.data?.t[this.data.t.length - 1] ?? Date.now();
    const first = this.data?.t[0] ?? last;
    const ahead = Math.max(0, ...(this.now?.forecast ?? []).map(each => each.t[each.t.length - 1] - last));

    // A stream that has just begun fills the curve, too.
    const from = Math.max(last - this.span, Math.min(first, last - Math.min(this.span / 10, Math.max(5000, 30000 * this.card.period_seconds))));
    return [from, last + Math.max(Math.min(ahead * 1.1, (last - from) / 3), (last - from) * 0.02)];
  }

  /** Asks for the rows of the span, and listens from their end on: nothing that comes meanwhile is missed. */
  async load() {
    clearTimeout(this.again);
    if (this.isClosed || document.hidden) {
      return;
    }

    this.source?.close();
    const asked = ++this.loads;
    const [from, to] = this.isLive ? [(this.now?.t ?? Date.now()) - this.span, Date.now() + 86400000] : this.fixed;
    this.asked = from;
    try {
      const rows = await get("rows", { name: this.card.name, from: Math.floor(from), to: Math.ceil(to), points: pointsWanted });
      if (asked !== this.loads) {
        return;
      }

      this.next = rows.next;
      this.nextEvent = rows.next_event;
      this.events = rows.events;
      this.data = rows;
      this.appended = 0;
      this.draw();
      this.list();
      this.connect();
    } catch (e) {
      if (asked === this.loads && !this.isClosed) {
        this.hooks.failed(e);
        if (!(e instanceof NeedsPassword)) {
          // What the sensors say now is shown without a curve, too.
          this.connect();
          this.loadLater();
        }
      }
    }
  }

  loadLater() {
    clearTimeout(this.again);
    this.again = setTimeout(() => this.load(), 2000);
  }

  take(points) {
    this.now = points.now;
    this.events.push(...points.events.filter(each => !this.events.some(known => (
      known.id === each.id && known.change === each.change && known.t === each.t))));
    if (points.now.model !== this.card.model.sha256) {
      this.hooks.changed();
      return;
    }

    // What lies between the stored rows and the first ones of a service that has just begun, only the device knows.
    const isFirst = this.next === 0 && points.t.length > 0 && this.data?.t.length > 0;

    // Only now it is known that the readings are of a time before the span that was asked for, as those of a recording are.
    const isOld = this.isLive && this.now.t < this.asked;
    if (points.gap || isOld || (isFirst && this.isLive)) {
      this.load();
    } else if (this.isLive && this.data) {
      this.append(points);
    }

    this.next = points.next;
    this.nextEvent = points.next_event;
    if (points.events.length > 0) {
      this.list();
    }

    if (JSON.stringify(this.isOpen()) !== this.listedAs) {
      this.list();
    }

    // What a browser cannot draw in time is drawn together.
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.now.seq > 0) {
        this.tell();
      }

      this.draw();
    });
  }

  append(points) {
    const { data } = this;
    const isRange = data.min || points.min;

    // What was loaded meanwhile is there already.
    const from = points.t.findIndex(each => data.t.length === 0 || each > data.t[data.t.length - 1]);
    if (from < 0) {
      return;
    }

    data.t.push(...points.t.slice(from));
    data.score.push(...points.score.slice(from));
    this.card.columns.forEach((_, i) => {
      if (isRange) {
        data.min ??= data.v.map(each => [...each]);
        data.max ??= data.v.map(each => [...each]);
      }

      for (const name of arrays.filter(each => data[each])) {
        data[name][i].push(...(points[name] ?? points.v)[i].slice(from));
      }

      data.q[i] += points.q[i].slice(from);
    });
    this.appended += points.t.length;
    const old = data.t.findIndex(each => each >= this.range()[0]);
    if (old > 200) {
      data.t.splice(0, old);
      data.score.splice(0, old);
      this.card.columns.forEach((_, i) => {
        arrays.filter(each => data[each]).forEach(name => data[name][i].splice(0, old));
        data.q[i] = data.q[i].slice(old);
      });
    }

    if (this.appended > appendedMax && this.span > 600000) {
      this.load();
    }
  }

  show(from, to) {
    this.isLive = false;
    this.fixed = [from, to];
    this.pressed();
    this.load();
  }

  live(span = this.span) {
    this.span = span;
    this.isLive = true;
    this.pressed();
    this.load();
  }

  pressed() {
    this.rangeButtons.forEach(({ button, span }) => button.setAttribute("aria-pressed", String(this.isLive && span === this.span)));
    this.liveButton.setAttribute("aria-pressed", String(this.isLive));
    put(this.shown, this.isLive ? "" : `${moment(this.fixed[0])} to ${moment(this.fixed[1])}`);
  }

  draw() {
    if (this.data && !this.isClosed) {
      this.charts.draw(this.data, this.events, this.range(), this.isLive ? this.now?.forecast : null, this.isOpen());
    }
  }

  restyle() {
    this.charts.build();
    this.draw();
    this.cell?.draw();
  }

  layOut() {
    const shift = share => {
      const [from, to] = this.range();
      this.show(from + share * (to - from), to + share * (to - from));
    };
    this.rangeButtons = ranges.map(([text, seconds]) => ({
      span: seconds * 1000, button: el("button", { type: "button", onclick: () => this.live(seconds * 1000) }, text),
    }));
    this.liveButton = el("button", { type: "button", onclick: () => this.live() }, "Live");
    this.shown = el("span", { class: "quiet" });
    this.verdict = el("section", { class: "card verdict", "aria-label": "State" });
    this.sentence = el("h2", {}, "Waiting for the first reading …");
    this.detail = el("p", { class: "quiet" });
    this.limits = el("p", { class: "limits", hidden: true });
    this.verdict.append(this.sentence, this.detail, this.limits, this.actions());
    const curves = el("div", { class: "curves" });
    this.list$ = el("ol", { class: "events", "aria-label": "Events" });
    this.sensors = el("tbody");
    this.model = el("dl");
    const cell = el("div", { class: "cell" });
    this.cellBox = el("details", { class: "card", hidden: !this.card.model.trained }, el("summary", {}, "A look into the cell"), cell);
    this.cellBox.addEventListener("toggle", () => {
      this.cell = this.cellBox.open && this.card.model.layers ? new Cell(cell, this.card) : null;
      if (this.cellBox.open && !this.cell) {
        cell.replaceChildren(el("p", {}, "The gates of this engine cannot be shown: only int8 models without a rollout have them here."));
      }

      this.connect();
    });
    this.place.replaceChildren(
      this.verdict,
      el("div", { class: "toolbar", role: "group", "aria-label": "Time" },
        this.liveButton, this.rangeButtons.map(each => each.button),
        el("button", { type: "button", "aria-label": "Earlier", onclick: () => shift(-0.5) }, "◀"),
        el("button", { type: "button", "aria-label": "Later", onclick: () => shift(0.5) }, "▶"),
        this.shown),
      el("div", { class: "split" },
        el("section", { class: "card", "aria-label": "Curves" },
          el("p", { class: "key" }, [
            ["line", "reading"],
            ...(this.card.model.trained ? [["ahead", "forecast and its interval"]] : []),
            ["bad", "anomaly, limit"],
          ].map(([name, text]) => el("span", {}, el("span", { class: `dot ${name}` }), text))),
          this.columnChoice(), curves),
        el("div", {},
          el("section", { class: "card" }, el("h3", {}, "Events"), this.list$),
          el("section", { class: "card" }, el("h3", {}, "Sensors"), el("div", { class: "scroll" }, el("table", {},
            el("thead", {}, el("tr", {}, ["channel", "reading", "quality", "lost"].map(text => el("th", { scope: "col" }, text)))),
            this.sensors))),
          el("section", { class: "card" }, el("h3", {}, "Model"), this.model, errorTable(this.card)))),
      this.cellBox);
    this.charts = new Charts(curves, this.card, (from, to) => this.show(from, to));
    this.pressed();
    this.list();
  }

  columnChoice() {
    const { columns } = this.card;
    return columns.length <= 8 ? null : el("details", {}, el("summary", {}, `8 of ${columns.length} channels. Choose others`),
      el("div", { class: "row" }, columns.map((name, i) => el("label", {}, el("input", {
        type: "checkbox", checked: i < 8, onchange: event => {
          this.charts.shown = event.target.checked ? [...this.charts.shown, i].sort((a, b) => a - b) : this.charts.shown.filter(each => each !== i);
          this.restyle();
        },
      }), name))));
  }

  actions() {
    if (!this.state.can_act) {
      return el("p", { class: "quiet", id: "no-actions" }, "This page only shows. To act from here, set a password under ", el("code", {}, "web"), " in edge.yaml.");
    }

    return el("div", { id: "actions" }, buttons(this.card, this.state, () => {
      const last = spansOf(this.events).filter(each => each.kind === "anomaly").pop();
      const end = this.now?.t ?? Date.now();
      return last ? { from: last.from, to: last.to ?? end } : { from: end - 60000, to: end };
    }, message => {
      this.hooks.said(message);
      setTimeout(() => this.load(), 1500);
    }));
  }

  // Whether an anomaly is open, and whether a channel is, or will be, beyond a limit; null while that is not known.
  isOpen() {
    return this.now?.seq > 0 ? { anomaly: this.now.open, limit: this.now.limits.some(each => each.stage !== "inside") } : null;
  }

  tell() {
    const { now, card } = this;
    const open = spansOf(this.events, this.isOpen()).filter(each => each.kind === "anomaly" && each.to === null).pop();
    const exceeded = now.limits.filter(each => each.stage === "exceeded");
    const expected = now.limits.filter(each => each.stage === "expected");
    const broken = now.sensors.filter(each => each.q !== 0 && each.q !== 4);
    const level = now.open || exceeded.length > 0 ? "bad"
      : expected.length > 0 || broken.length > 0 ? "warn"
        : now.warm_up > 0 ? "" : "good";
    this.verdict.className = `card verdict ${level}`;
    const nameOf = sensor => card.columns[now.sensors.indexOf(sensor)];
    put(this.sentence, now.open ? open?.message ?? "An anomaly is open."
      : exceeded.length > 0 ? `${exceeded.map(each => each.column).join(", ")} ${exceeded.length > 1 ? "are" : "is"} beyond a limit.`
      : broken.length > 0 ? `${broken.map(nameOf).join(", ")}: no good reading.`
      : expected.length > 0 ? `${expected.map(each => each.column).join(", ")} will reach a limit.`
      : now.warm_up > 0 ? now.detection
        : card.model.trained ? "All is normal." : "Nothing is far off. There is no model yet.");
    this.detail.dataset.t = now.t;
    this.detail.dataset.seq = now.seq;
    put(this.detail, [
      `score ${number(now.score, 2)}, abnormal from 1 on`,
      now.open && open ? `since ${moment(open.from)}` : null,
      `last reading ${moment(now.t)}`,
    ].filter(Boolean).join(" · "));
    const accept = document.getElementById("accept");
    if (accept) {
      accept.disabled = !now.open;
    }

    this.limits.hidden = now.limits.length === 0;
    put(this.limits, now.limits.map(each => `${each.column} ${each.side === "high" ? "at most" : "at least"} ${number(each.limit, 3)}: ${
      each.stage === "inside" ? "inside" : each.stage === "exceeded" ? "beyond it" : `in ${duration(each.seconds)}`}`).join(" · "));
    this.charts.say(now.forecast, now.t);
    this.tellSensors();
    this.tellModel();
  }

  tellSensors() {
    const { now, card } = this;
    if (this.sensors.children.length !== now.sensors.length) {
      this.sensors.replaceChildren(...now.sensors.map((_, i) => el("tr", {}, el("th", { scope: "row" }, card.columns[i]), el("td"), el("td"), el("td"))));
    }

    now.sensors.forEach((sensor, i) => {
      const [, value, quality, bad] = this.sensors.children[i].children;
      put(value, withUnit(sensor.value, card.units[i]));
      put(quality, `${sensor.q === 0 ? "✓ " : "⚠ "}${qualities[sensor.q]}${sensor.fault ? `: ${sensor.fault}` : ""}`);
      quality.className = sensor.q === 0 ? "" : "fault";
      put(bad, sensor.bad === 0 ? "0" : `${sensor.bad} ticks`);
    });
  }

  tellModel() {
    const { model, interval } = this.card;
    const { health } = this.now;
    const skill = health.skill;
    const ofForecasts = () => [
      ["better than “nothing changes”", skill === null ? "–" : `${percent(skill)}${
        health.ticks < ticksToJudge ? ", too early to tell" : skill <= 0 ? ": do not trust its forecasts" : ""}`],
      ["better than a season ago", percent(health.seasonal)],
      ["readings inside the interval", `${percent(health.coverage)}, ${percent(interval)} wanted`],
      ["channels outside what it knows", percent(health.outside)],
      ["values clipped", `${health.saturated}`],
    ];
    const rows = [
      ...(this.now.learning ? [["learning", this.now.learning]] : []),
      ["anomaly detection", this.now.detection],
      ...(model.trained ? ofForecasts() : []),
      ["ticks, lost ticks, anomalies", `${health.ticks}, ${health.missed}, ${health.anomalies}`],
      ["model", model.trained ? `${model.name}, ${model.sha256.slice(0, 6)}` : "none yet"],
      ...(model.train_rows ? [["trained on", `${model.train_rows} rows`]] : []),
      ...madeFrom(model.provenance),
      ...(model.trained ? [["runs as", [model.engine, model.architecture].filter(Boolean).join(", ")]] : []),
    ];
    if (this.model.children.length !== rows.length * 2) {
      this.model.replaceChildren(...rows.flatMap(() => [el("dt"), el("dd")]));
    }

    rows.forEach(([name, value], i) => {
      put(this.model.children[2 * i], name);
      put(this.model.children[2 * i + 1], value);
    });
  }

  list() {
    this.listedAs = JSON.stringify(this.isOpen());
    const spans = spansOf(this.events, this.isOpen()).slice(-30).reverse();
    this.list$.replaceChildren(...(spans.length === 0 ? [el("li", { class: "quiet" }, "None so far.")] : spans.map(span => el("li", {
      id: `event-${span.id}`, tabindex: -1, class: span.to === null ? `open ${span.severity}` : span.severity,
    },
    el("b", {}, moment(span.from), span.kind === "model" ? "" : span.to === null ? " – open" : ` – ${until(span)}`), " ", span.message,
    span.end ? el("span", { class: "quiet" }, ` ${span.end}`) : null))));
  }
}

// The end of a span, with its day where that is another one than that of its begin.
const until = ({ from, to }) => (dayOf(from) === dayOf(to) ? time(to) : moment(to));

// What the model file says of its origin: a JSON object, if anything.
function madeFrom(text) {
  try {
    const said = JSON.parse(text);
    const { tool, source, profile_learned_on: profiled, learned_on: device } = said;
    return [
      ...(device ? [["learned", `on ${device}, ${time(Date.parse(said.learned_at))}`]]
        : source ? [["made from", `${source}${tool ? ` by ${tool}` : ""}`]] : []),
      ...(profiled ? [["what is normal learned", `on ${profiled}, ${moment(Date.parse(said.profile_learned_at))}`]] : []),
    ];
  } catch {
    return [];
  }
}

// Its error; below it the best of the simple forecasts, and the model that it has replaced.
function errorCell(error) {
  if (!error) {
    return el("td", {}, "–");
  }

  const { [modelBefore]: before = null, ...simple } = error.simple ?? {};
  const [name, best] = Object.entries(simple).filter(([, value]) => value !== null).sort((a, b) => a[1] - b[1])[0] ?? [];
  const isWorse = name && error.rmse >= best;
  return el("td", {}, number(error.rmse, 3),
    name ? el("div", { class: isWorse ? "doubt" : "quiet", title: name }, `${name.split(",")[0]} ${number(best, 3)}${isWorse ? ", better" : ""}`) : null,
    before === null ? null : el("div", { class: "quiet" }, `model before ${number(before, 3)}`));
}

// How far forecasts were off on rows that the training did not use: a row a channel, a column a horizon.
function errorTable({ model, columns, units }) {
  const errors = (model.errors ?? []).filter(each => each.rmse !== null);
  if (errors.length === 0) {
    return null;
  }

  const horizons = [...new Set(errors.map(each => each.seconds))].sort((a, b) => a - b).slice(0, 4);
  const channels = [...new Set(errors.map(each => each.column))];
  const of = (column, seconds) => errors.find(each => each.column === column && each.seconds === seconds);
  return el("div", { class: "scroll" }, el("table", {},
    el("caption", { class: "quiet" }, "Usual error of its forecasts on rows that it was not trained on; below, the best simple forecast and the model before"),
    el("thead", {}, el("tr", {}, el("th", { scope: "col" }, "channel"),
      horizons.map(seconds => el("th", { scope: "col" }, `in ${duration(seconds)}`)))),
    el("tbody", {}, channels.map(column => el("tr", {}, el("th", { scope: "row" }, `${columns[column]}${unit(units[column]) ? `, ${unit(units[column])}` : ""}`),
      horizons.map(seconds => errorCell(of(column, seconds))))))));
}
