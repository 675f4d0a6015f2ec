// Requests to the device. Everything that goes wrong is an Error whose message is a sentence.

export class NeedsPassword extends Error {}

// A device without power does not say goodbye: neither a question nor an event stream waits for ever.
const answerMs = 30000;
const silenceMs = 15000;

async function answer(response) {
  let body = null;
  try {
    body = await response.json();
  } catch {
    // Not ours: a proxy's error page. Or it broke off.
    if (response.ok) {
      throw new Error("The answer of the device cannot be read.");
    }
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

export async function get(name, query = {}) {
  const patience = new AbortController();
  const timer = setTimeout(() => patience.abort(), answerMs);
  try {
    return await ask(name, query, { signal: patience.signal });
  } finally {
    clearTimeout(timer);
  }
}

export const post = async (name, body = "", headers = {}, query = {}) => ask(name, query, { method: "POST", body, headers });

export const command = (name, request) => post(`command/${name}`, JSON.stringify(request));

/**
 * Listens for events until it is closed. One that is lost, or silent for long, is closed, and `error` is called once.
 * @param query of /api/live
 * @param handlers open, error, and one for each name of event: called with its data
 */
export function listen(query, { open, error, ...named }) {
  const source = new EventSource(path("live", query));
  let silence = null;
  const close = () => {
    clearTimeout(silence);
    source.close();
  };
  const lost = () => {
    close();
    error();
  };
  const heard = () => {
    clearTimeout(silence);
    silence = setTimeout(lost, silenceMs);
  };
  heard();
  source.addEventListener("error", lost);
  source.addEventListener("open", () => {
    heard();
    open();
  });
  for (const [name, handle] of Object.entries(named)) {
    source.addEventListener(name, event => {
      heard();
      handle(JSON.parse(event.data));
    });
  }

  return { close };
}
