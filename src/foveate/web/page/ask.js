// Requests to the server: one at a time; of those that wait, only the latest is sent

let asking = false;
let waiting = null;

/** Send a request and return the answer as an object; an error of the server becomes an Error with its sentence. */
export async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : { method: "POST", body });
  } catch {
    throw new Error("The server does not answer. Is `foveate web` still running?");
  }
  const content = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(content.error ?? `The server could not answer (${answer.status}).`);
  return content;
}

/** Send a request as soon as the previous one is answered; resolves to null if a later one replaced it. */
export function askLatest(path, body) {
  waiting?.resolve(null);
  return new Promise((resolve, reject) => {
    waiting = { path, body, resolve, reject };
    if (!asking) askNext();
  });
}

async function askNext() {
  const question = waiting;
  waiting = null;
  if (!question) return;
  asking = true;
  try {
    question.resolve(await ask(question.path, question.body));
  } catch (error) {
    question.reject(error);
  } finally {
    asking = false;
    askNext();
  }
}

/** Decode pixels from the server: {shape, bytes} in base64 becomes {shape, bytes: Uint8Array}. */
export function unpack({ shape, bytes }) {
  return { shape, bytes: Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0)) };
}
