// Questions to the server: one at a time, of those that wait only the latest

let asking = false;
let waiting = null;

/** The answer of the server as an object; what is wrong becomes an Error with its sentence. */
export async function ask(path, body) {
  let answer;
  try {
    answer = await fetch(path, body === undefined ? {} : { method: "POST", body });
  } catch {
    throw new Error("The server does not answer. Is `foveate web` still running?");
  }
  const told = await answer.json().catch(() => ({}));
  if (!answer.ok) throw new Error(told.error ?? `The server could not answer (${answer.status}).`);
  return told;
}

/** Ask now, or when the question before is answered, unless a later one has come by then; resolves to null if so. */
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

/** The pixels that the server sent: {shape, bytes} with the bytes in base64 becomes {shape, bytes: Uint8Array}. */
export function unpack({ shape, bytes }) {
  return { shape, bytes: Uint8Array.from(atob(bytes), (letter) => letter.charCodeAt(0)) };
}
