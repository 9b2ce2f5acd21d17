// What the player can do. The server keeps the story; this page shows it.

import { Trouble, call, keep, kept, stream, useKey } from "./api.js";
import * as shelf from "./shelf.js";
import { begin, edit, follow, show, toEnd } from "./story.js";

const $ = (id) => document.getElementById(id);
const LAST = "textxfer.story";
const HINTS = { do: "What do you do?", say: "What do you say?", story: "What happens next?" };

let now = null; // the story as the server told it
let busy = false;
let editing = false;

function mode() { return document.querySelector("[name=mode]:checked").value; }

function refresh() {
  const last = now?.turns.at(-1);
  const idle = now !== null && !busy && !editing;
  $("undo").disabled = !idle || !now.can_undo;
  $("redo").disabled = !idle || !now.can_redo;
  $("retry").disabled = !idle || now.turns.length < 2;
  $("edit").disabled = !idle || !last;
  $("continue").disabled = !idle;
  $("send").disabled = !idle || !$("words").value.trim();
  $("send").hidden = busy;
  $("stop").hidden = !busy;
  $("title").textContent = now ? now.title || "A new story" : "\u00a0";
  document.title = now?.title ? `${now.title} · ${now.world}` : now?.world ?? "textxfer";
  $("story").ariaBusy = String(busy || now === null);
  $("words").placeholder = HINTS[mode()];
}

function display(story) {
  now = story;
  editing = false;
  show(now.turns);
  refresh();
}

function complain(trouble, again) {
  if (!(trouble instanceof Trouble)) throw trouble;
  if (trouble.status === 401) { askKey(again); return; }
  $("trouble").firstElementChild.textContent = trouble.message;
  $("trouble").hidden = false;
  $("again").onclick = () => { $("trouble").hidden = true; again(); };
  follow(true);
}

/** Runs something that can fail; what failed can be tried again. */
async function attempt(work) {
  $("trouble").hidden = true;
  try { await work(); } catch (trouble) { complain(trouble, () => attempt(work)); }
}

function askKey(again) {
  const dialog = $("key");
  dialog.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    useKey(new FormData(event.target).get("key"));
    dialog.close();
    again();
  };
  if (!dialog.open) dialog.showModal();
}

// ---- moves

/** A turn, new or again. `typed` goes back into the field where nothing came of it. */
async function move(path, body, kind, line, typed, resend) {
  if (busy || now === null) return;
  busy = true;
  $("trouble").hidden = true;
  refresh();
  const id = now.id;
  const write = begin(kind, line);
  let trouble = null;
  try {
    await stream(`stories/${id}/${path}`, body, write);
  } catch (error) {
    trouble = error;
  }
  const head = now.head;
  const story = await call("GET", `stories/${id}`).catch(() => now);
  busy = false;
  if (now.id !== id) { refresh(); return; } // another story was opened meanwhile
  display(story);
  if (story.head === head && !$("words").value) $("words").value = typed;
  grow();
  follow();
  if (story.busy) await settle(id);
  if (trouble) complain(trouble, story.head === head ? resend : retry);
}

function take() {
  const typed = $("words").value.trim();
  if (!typed) return;
  const kind = mode();
  const line = kind === "say" ? `Say “${typed}”` : kind === "do" ? typed[0].toUpperCase() + typed.slice(1) : typed;
  $("words").value = "";
  grow();
  move("turns", { mode: kind, text: typed }, kind, line, typed, take);
}

function goOn() {
  move("turns", { mode: "continue" }, "continue", "", "", goOn);
}

function retry() {
  if (busy || !now) return;
  const last = now.turns.at(-1);
  show(now.turns.slice(0, -1));
  move("retry", {}, last.mode, last.input, "", retry);
}

function step(which) {
  attempt(async () => {
    display(await call("POST", `stories/${now.id}/${which}`));
    follow(true);
  });
}

function editLast() {
  const turn = now.turns.at(-1);
  editing = true;
  refresh();
  edit(now.turns, (text) => {
    if (text === null) { display(now); $("edit").focus(); return; }
    attempt(async () => {
      await call("PATCH", `stories/${now.id}/turns/${turn.id}`, { text });
      display(await call("GET", `stories/${now.id}`));
      $("words").focus({ preventScroll: true });
    });
  });
}

/** Waits while another page, or a turn that this page lost, is still being written. */
async function settle(id) {
  for (let story = now; story.busy && now.id === id;) {
    await new Promise((after) => setTimeout(after, 700));
    story = await call("GET", `stories/${id}`).catch(() => story);
    if (now.id === id && !busy) display(story);
  }
}

// ---- which story

async function open(id) {
  const story = await call("GET", `stories/${id}`);
  keep(LAST, id);
  if (location.hash !== `#${id}`) history.replaceState(null, "", `#${id}`);
  display(story);
  toEnd();
  settle(id);
}

async function start(fields = {}) {
  await open((await call("POST", "stories", fields)).id);
  $("words").focus({ preventScroll: true });
}

/** The story of the address, the last one read here, the last one played, or a new one. */
async function find() {
  for (const id of [location.hash.slice(1), kept(LAST)]) {
    if (!id) continue;
    try { return await open(id); } catch (trouble) { if (trouble.status !== 404) throw trouble; }
  }
  const { stories } = await call("GET", "stories?limit=1");
  return stories.length ? open(stories[0].id) : start();
}

async function load() {
  try {
    await find();
    $("trouble").hidden = true;
  } catch (trouble) {
    if (trouble.status !== 503) { complain(trouble, load); return; }
    $("trouble").firstElementChild.textContent = "The model is being loaded; the story begins in a moment.";
    $("again").onclick = load;
    $("trouble").hidden = false;
    setTimeout(load, 1000);
  }
}

// ---- the page

function grow() {
  const area = $("words");
  if (!CSS.supports("field-sizing", "content")) {
    area.style.height = "auto";
    area.style.height = `${area.scrollHeight}px`;
  }
  refresh();
}

$("composer").addEventListener("submit", (event) => { event.preventDefault(); take(); });
$("words").addEventListener("input", grow);
$("words").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) { event.preventDefault(); take(); }
});
for (const radio of document.querySelectorAll("[name=mode]")) {
  radio.addEventListener("change", () => { refresh(); $("words").focus({ preventScroll: true }); });
}
$("stop").addEventListener("click", () => attempt(() => call("POST", `stories/${now.id}/stop`)));
$("undo").addEventListener("click", () => step("undo"));
$("redo").addEventListener("click", () => step("redo"));
$("retry").addEventListener("click", retry);
$("edit").addEventListener("click", editLast);
$("continue").addEventListener("click", goOn);

$("theme").addEventListener("click", () => {
  const dark = getComputedStyle(document.documentElement).colorScheme === "dark";
  document.documentElement.dataset.theme = dark ? "light" : "dark";
  keep("textxfer.theme", document.documentElement.dataset.theme);
});

$("open-memory").addEventListener("click", () => {
  if (!now) return;
  $("memory").querySelector("textarea").value = now.memory;
  $("memory").showModal();
});
$("memory").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const memory = new FormData(event.target).get("memory");
  $("memory").close();
  attempt(async () => { now.memory = (await call("PATCH", `stories/${now.id}`, { memory })).memory; });
});

shelf.install({
  current: () => now?.id,
  open: (id) => attempt(() => open(id)),
  start: (fields) => attempt(() => start(fields)),
  renamed: (story) => { if (story.id === now?.id) { now.title = story.title; refresh(); } },
  deleted: (id) => { if (id === now?.id) { keep(LAST, ""); history.replaceState(null, "", "#"); now = null; load(); } },
  complain,
});
addEventListener("hashchange", () => { if (location.hash.slice(1) !== now?.id) load(); });
load();
