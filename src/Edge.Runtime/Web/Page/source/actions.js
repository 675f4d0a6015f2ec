// What a person may do. Each asks once more, and for the password if there is no session.
import { command, NeedsPassword, post } from "./api.js";
import { el } from "./dom.js";
import { moment } from "./format.js";

/** Asks; closes when it is done, with the sentence of the device. */
function ask({ title, text, fields = [], button, act }, state, done) {
  const fault = el("p", { role: "alert", class: "fault" });
  const password = state.logged_in ? null : el("input", { type: "password", id: "ask-password", autocomplete: "current-password", required: true });
  const go = el("button", { type: "submit", class: "strong" }, button);
  const dialog = el("dialog", { "aria-labelledby": "ask-title", onclose: () => dialog.remove() },
    el("form", {
      method: "dialog",
      onsubmit: async event => {
        event.preventDefault();
        go.disabled = true;
        fault.textContent = "";
        try {
          if (password) {
            await post("login", password.value);
            state.logged_in = true;
          }

          const { message } = await act();
          dialog.close();
          done(message);
        } catch (e) {
          state.logged_in = state.logged_in && !(e instanceof NeedsPassword);
          fault.textContent = e.message;
          go.disabled = false;
        }
      },
    },
    el("h2", { id: "ask-title" }, title),
    el("p", {}, text),
    fields,
    password ? [el("label", { for: "ask-password" }, "Password"), password] : [],
    fault,
    el("div", { class: "row" }, go, el("button", { type: "button", onclick: () => dialog.close() }, "Cancel"))));
  document.body.append(dialog);
  dialog.showModal();
  (fields.map(each => each.querySelector?.("input") ?? each).find(each => each.tagName === "INPUT") ?? password ?? go).focus();
}

/** The buttons below the state of a stream. */
export function buttons(stream, state, newest, done) {
  const name = stream.name;
  const button = (id, text, options, strong = false) => el("button", {
    type: "button", id, class: strong ? "strong" : null, onclick: () => ask(typeof options === "function" ? options() : options, state, done),
  }, text);
  const note = el("input", { type: "text", id: "label-text", maxlength: 200, value: "fault" });
  const file = el("input", { type: "file", id: "model-file", accept: ".safetensors", required: true });
  const signature = el("input", { type: "file", id: "model-signature", accept: ".sig" });
  const all = [
    button("accept", "This is normal now", {
      title: "Take this for normal?",
      text: `The open anomaly of ${name} ends, and what it shows counts as normal from now on.`,
      button: "It is normal",
      act: () => command("accept", { stream: name }),
    }),
    button("label", "This was a fault", () => {
      const { from, to } = newest();
      return {
        title: "Was this a fault?",
        text: `The readings of ${name} from ${moment(from)} to ${moment(to)} are labeled. Training and scoring use the label.`,
        fields: [el("label", { for: "label-text" }, "What was it?"), note],
        button: "Label it",
        act: () => command("label", {
          stream: name, from: new Date(from).toISOString(), to: new Date(to).toISOString(), text: note.value || "fault",
        }),
      };
    }),
    button("silence", "Silence for an hour", {
      title: "Silence for an hour?",
      text: `${name} opens no anomaly for an hour, and an open one is closed. Readings and forecasts go on.`,
      button: "Silence it",
      act: () => command("silence", { stream: name, for: "1h" }),
    }),
  ];
  const rare = [
    button("reset", "Reset", {
      title: "Reset the stream?",
      text: `${name} loses what it has learned since its start, and begins again. Its numbers continue.`,
      button: "Reset it",
      act: () => command("reset", { stream: name }),
    }),
  ];
  if (state.models) {
    rare.push(
      button("canary", "Try a model", {
        title: "Try a model?",
        text: `The new model runs beside the one in use, and replaces it if its error is no larger.`,
        fields: [
          el("label", { for: "model-file" }, "Model (.safetensors)"), file,
          el("label", { for: "model-signature" }, state.needs_signature ? "Signature (.sig)" : "Signature (.sig), if there is one"), signature,
        ],
        button: "Try it",
        act: async () => post("model", file.files[0], {
          "X-Edge-Signature": signature.files[0] ? (await signature.files[0].text()).trim() : "",
        }, { stream: name }),
      }),
      button("rollback", "Roll back", {
        title: "Go back to the previous model?",
        text: `The model that ${name} had before is used again, and its state is reset.`,
        button: "Roll back",
        act: () => command("rollback", { stream: name }),
      }));
  }

  // Without stored rows there is nothing to label.
  const main = all.filter(each => state.commands.includes(each.id));
  return [el("div", { class: "row" }, main), el("details", { class: "rare" }, el("summary", {}, "More"), el("div", { class: "row" }, rare))];
}

/** A page that is nothing but a password. */
export function login(place, done) {
  const fault = el("p", { role: "alert", class: "fault" });
  const password = el("input", { type: "password", id: "password", autocomplete: "current-password", required: true });
  place.replaceChildren(el("form", {
    class: "card login",
    onsubmit: async event => {
      event.preventDefault();
      try {
        await post("login", password.value);
        done();
      } catch (e) {
        fault.textContent = e.message;
        password.select();
      }
    },
  },
  el("h2", {}, "Password"),
  el("p", {}, "This device shows its readings to those who know its password."),
  el("label", { for: "password" }, "Password"), password, fault,
  el("button", { type: "submit", class: "strong" }, "Show the readings")));
  password.focus();
}
