// Talking to the server: JSON, streams of events, the key.

export class Trouble extends Error {
  constructor(message, status) { super(message); this.status = status; }
}

const KEY = "textxfer.key";
export const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private windows */ } };
export const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
export const useKey = (key) => keep(KEY, key);

async function send(method, path, body) {
  const headers = { "Content-Type": "application/json" };
  if (kept(KEY)) headers.Authorization = `Bearer ${kept(KEY)}`;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    throw new Trouble("The server cannot be reached.", 0);
  }
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => null);
  throw new Trouble(said?.error?.message ?? `The server answered with status ${answer.status}.`, answer.status);
}

export async function call(method, path, body) {
  const answer = await send(method, path, body);
  return answer.status === 204 ? null : answer.json();
}

/** Posts a move; `onText` gets the words as they come. Returns the `done` event's data. */
export async function stream(path, body, onText) {
  const reader = (await send("POST", path, body)).body.pipeThrough(new TextDecoderStream()).getReader();
  let held = "";
  for (;;) {
    const { value, done } = await reader.read().catch(() => ({ done: true }));
    if (done) throw new Trouble("The connection was lost while the story went on.", 0);
    held += value;
    const blocks = held.split("\n\n");
    held = blocks.pop();
    for (const block of blocks) {
      const event = /^event: (.*)$/m.exec(block)?.[1];
      if (!event) continue; // a comment
      const data = JSON.parse(/^data: (.*)$/m.exec(block)[1]);
      if (event === "token") onText(data.text);
      else if (event === "error") throw new Trouble(data.error.message, 500);
      else if (event === "done") return data;
    }
  }
}
