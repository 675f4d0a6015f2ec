// A wall of devices: everything that publishes under edge/+/…, read only.
import { listen } from "./api.js";
import { el, put } from "./dom.js";
import { moment, number, withUnit } from "./format.js";
import { spark } from "./spark.js";

export class Wall {
  constructor(place, state, byId) {
    this.place = place;
    this.state = state;
    this.byId = byId;
    this.cards = new Map();
  }

  async open() {
    document.body.classList.add("one");
    this.byId("streams").hidden = true;
    put(this.byId("device"), `Devices at ${this.state.broker}`);
    this.grid = el("div", { class: "wall" });
    this.none = el("p", { class: "quiet" }, "No device has published yet.");
    this.place.replaceChildren(this.none, this.grid);
    this.connect();
  }

  connect() {
    listen({}, {
      open: () => {
        this.byId("lost").hidden = true;
      },
      error: () => {
        this.byId("lost").hidden = false;
        setTimeout(() => this.connect(), 2000);
      },
      wall: wall => this.show(wall),
    });
  }

  restyle() {
  }

  show(wall) {
    put(this.byId("links"), wall.connected ? "● broker connected" : "○ broker not connected");
    this.byId("links").className = wall.connected ? "good" : "warn";
    this.none.hidden = wall.devices.length > 0;
    const open = wall.devices.reduce((count, device) => count + device.streams.filter(each => each.open).length, 0);
    document.title = `${open > 0 ? `⚠ ${open} ` : ""}Devices`;
    for (const device of wall.devices) {
      let card = this.cards.get(device.name);
      if (!card) {
        card = el("section", { class: "card", "aria-label": device.name });
        this.cards.set(device.name, card);
        this.grid.append(card);
      }

      const isBad = device.streams.some(each => each.open);
      card.className = `card verdict ${isBad ? "bad" : device.online ? "good" : "warn"}`;
      card.replaceChildren(
        el("h2", {}, device.name, el("span", { class: "quiet" }, ` ${device.online ? "online" : "offline"}${device.version ? ` · ${device.version}` : ""}`)),
        ...device.streams.map(stream => el("div", { class: `tile ${stream.open ? "bad" : stream.online ? "good" : "warn"}` },
          el("span", { class: "name" },
            el("span", { class: "lamp", role: "img", "aria-label": stream.open ? "anomaly" : stream.online ? "normal" : "no readings" }),
            el("b", {}, stream.name),
            el("span", { class: "value" }, stream.column ? `${stream.column} ${withUnit(stream.value, stream.unit)}` : "")),
          el("span", { class: "spark" }, spark(stream.spark)),
          el("span", { class: "quiet" }, [
            stream.open ? stream.message : null,
            stream.score === null ? null : `score ${number(stream.score, 2)}`,
            stream.t ? moment(stream.t) : null,
          ].filter(Boolean).join(" · ")))));
    }

    for (const [name, card] of this.cards) {
      if (!wall.devices.some(device => device.name === name)) {
        card.remove();
        this.cards.delete(name);
      }
    }
  }
}
