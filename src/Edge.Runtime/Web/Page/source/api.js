// Requests to the device. Everything that goes wrong is an Error whose message is a sentence.

export class NeedsPassword extends Error {}

async function answer(response) {
  let body = null;
  try {
    body = await response.json();
  } catch {
    // Not ours: a proxy's error page.
  }

  if (response.status === 401) {
    throw new NeedsPassword(body?.message ?? "The password is needed.");
  }

  if (!response.ok) {
    throw new Error(body?.message ?? `The device answered ${response.status}.`);
  }

  return body;
}

const path = (name, query) => `/api/${name}?${new URLSearchParams(query)}`;

// A browser says "Failed to fetch" of a device that is off.
async function ask(name, query, request) {
  let response;
  try {
    response = await fetch(path(name, query), request);
  } catch {
    throw new Error("The device does not answer.");
  }

  return answer(response);
}

export const get = async (name, query = {}) => ask(name, query);

export const post = async (name, body = "", headers = {}, query = {}) => ask(name, query, { method: "POST", body, headers });

export const command = (name, request) => post(`command/${name}`, JSON.stringify(request));

/** Listens for events until it is closed; a lost connection is opened again by the browser. */
export function listen(query, handlers) {
  const source = new EventSource(path("live", query));
  for (const [name, handle] of Object.entries(handlers)) {
    source.addEventListener(name, name === "open" || name === "error" ? handle : event => handle(JSON.parse(event.data)));
  }

  return source;
}
