// The page: which streams there are, which one is shown, and how the service is.
import { get, NeedsPassword, post } from "./api.js";
import { login } from "./actions.js";
import { el, put } from "./dom.js";
import { bytes, duration, moment, number, withUnit } from "./format.js";
import { spark } from "./spark.js";
import { StreamPage } from "./stream.js";
import { Wall } from "./wall.js";

const byId = id => document.getElementById(id);
let state = null;
let page = null;
let rows = new Map();

function theme(next) {
  const root = document.documentElement;
  if (next) {
    root.dataset.theme = next;
    localStorage.setItem("theme", next);
  }

  const isDark = root.dataset.theme === "dark" || (!root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  put(byId("theme"), isDark ? "☀" : "☾");
  page?.restyle();
  return isDark ? "light" : "dark";
}

function said(sentence) {
  const line = byId("said");
  line.textContent = sentence;
  line.className = "shown";
  clearTimeout(line.timer);
  line.timer = setTimeout(() => {
    line.className = "";
  }, 8000);
}

function row(stream) {
  const link = el("a", { href: `#${stream.name}` },
    el("span", { class: "name" }, el("span", { class: "lamp" }), el("b", {}, stream.name), el("span", { class: "value" })),
    el("span", { class: "spark" }), el("span", { class: "quiet" }));
  const [name, curve, last] = link.children;
  return { link, lamp: name.children[0], value: name.children[2], curve, last };
}

function showDevice(device) {
  put(byId("device"), state.device);
  document.title = `${device.streams.some(each => each.open) ? "⚠ " : ""}${state.device}`;
  const nav = byId("streams");
  for (const stream of device.streams) {
    let each = rows.get(stream.name);
    if (!each) {
      each = row(stream);
      rows.set(stream.name, each);
      nav.append(each.link);
    }

    const level = stream.open || stream.limit === "exceeded" ? "bad" : !stream.online || stream.limit === "expected" ? "warn" : "good";
    each.link.className = level;
    each.lamp.setAttribute("aria-label", stream.open ? "anomaly" : stream.online ? "normal" : "no readings");
    each.lamp.setAttribute("role", "img");
    if (stream.name === current()) {
      each.link.setAttribute("aria-current", "page");
    } else {
      each.link.removeAttribute("aria-current");
    }

    put(each.value, `${stream.column} ${withUnit(stream.value, stream.unit)}`);
    each.curve.replaceChildren(spark(stream.spark));
    put(each.last, `score ${number(stream.score, 2)}${stream.last ? ` · ${moment(stream.last.t)} ${stream.last.message}` : ""}`);
  }

  nav.hidden = device.streams.length < 2;
  document.body.classList.toggle("one", device.streams.length < 2);
  showService(device);
}

function showService({ service, now }) {
  const lag = Math.abs(now - Date.now());
  put(byId("links"), `${service.connected ? "● broker connected" : "○ broker not connected"}${service.waiting > 0 ? ` · ${service.waiting} waiting` : ""}`);
  byId("links").className = service.connected ? "good" : "warn";
  const list = byId("service");
  if (!list) {
    return;
  }

  const lines = [
    ["broker", `${service.broker}, ${service.connected ? "connected" : "not connected"}`],
    ["messages delivered", `${service.delivered}${service.refused ? `, ${service.refused} refused` : ""}`],
    ["messages waiting", `${service.waiting}${service.waiting > 0 && service.outbox_age_seconds ? `, the oldest for ${duration(service.outbox_age_seconds)}` : ""}${
      service.dropped ? `, ${service.dropped} evicted` : ""}`],
    ["disk", service.writable === undefined ? "no state is stored" : `${service.writable ? "writable" : "NOT WRITABLE"}${
      service.disk_free_bytes === undefined ? "" : `, ${bytes(service.disk_free_bytes)} free`}`],
    ["clock of the device", `${moment(now)}${service.clock_unset ? ", never synchronized" : ""}${
      lag > 10000 ? `, ${duration(lag / 1000)} from this browser's` : ""}`],
    ["memory", bytes(service.memory_bytes)],
    ["runs for", duration(service.uptime_seconds)],
    ["version", `${service.version}, ${service.runtime}`],
  ];
  if (list.children.length === 0) {
    list.append(...lines.flatMap(() => [el("dt"), el("dd")]));
  }

  lines.forEach(([name, value], i) => {
    put(list.children[2 * i], name);
    put(list.children[2 * i + 1], value);
  });
}

const current = () => {
  const wanted = decodeURIComponent(location.hash.slice(1));
  return state.streams.some(each => each.name === wanted) ? wanted : state.streams[0].name;
};

// Counts the views that were asked for: answers may come in another order.
let views = 0;

async function showStream() {
  page?.close();
  const view = ++views;
  const name = current();
  const main = byId("main");
  // What is shown until the answer comes is of another stream: nothing in it may be clicked.
  main.inert = true;
  try {
    const card = await get("stream", { name });
    if (view === views) {
      await show(name, card, main);
    }
  } finally {
    if (view === views) {
      main.inert = false;
    }
  }
}

function show(name, card, main) {
  const content = el("div", { "data-stream": name });
  main.replaceChildren(content, el("section", { class: "card" }, el("h3", {}, "Service"), el("dl", { id: "service" })));
  main.inert = false;
  page = new StreamPage(content, card, state, {
    device: showDevice,
    said,
    lost: isLost => {
      byId("lost").hidden = !isLost;
    },
    failed: e => (e instanceof NeedsPassword ? failed(e) : said(e.message)),
    changed: () => showStream().catch(failed),
  });
  showDevice(state);
  return page.open();
}

function failed(e) {
  if (e instanceof NeedsPassword) {
    byId("streams").hidden = true;
    login(byId("main"), start);
    return;
  }

  byId("lost").hidden = false;
  setTimeout(start, 3000);
}

async function start() {
  try {
    state = await get("device");
    byId("lost").hidden = true;
    const session = byId("session");
    session.hidden = !state.logged_in;
    put(session, "Log out");
    if (state.wall) {
      page = new Wall(byId("main"), state, byId);
      await page.open();
    } else {
      await showStream();
    }
  } catch (e) {
    failed(e);
  }
}

const kept = localStorage.getItem("theme");
if (kept) {
  document.documentElement.dataset.theme = kept;
}

byId("theme").addEventListener("click", () => theme(theme()));
byId("session").addEventListener("click", () => post("logout").then(() => location.reload()));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => theme());
addEventListener("hashchange", () => state && !state.wall && showStream().catch(failed));
theme();
start();
