// The story on the page. Turns are shown in groups: what goes on in the middle
// of a paragraph belongs to the group before it.

const story = document.getElementById("story");
const latest = document.getElementById("latest");
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** Writes prose into `into`, word by word or at once; a blank line begins a paragraph. */
class Writer {
  constructor(into, fade) {
    this.into = into;
    this.fade = fade;
    this.paragraph = into.querySelector(":scope > p.prose:last-of-type");
    this.breaks = 0;
  }

  write(text, mine = false) {
    for (const piece of text.split(/(\n)/)) {
      if (piece === "\n") this.breaks += 1;
      else if (piece) this.#words(piece, mine);
    }
  }

  #words(words, mine) {
    if (!this.paragraph || this.breaks > 1) {
      this.paragraph = document.createElement("p");
      this.paragraph.className = "prose";
      this.into.append(this.paragraph);
      words = words.trimStart();
    } else if (this.breaks) {
      words = `\n${words}`;
    }
    this.breaks = 0;
    if (!mine && !this.fade) {
      this.paragraph.append(words);
      return;
    }
    const span = document.createElement("span");
    span.className = mine ? "mine" : "new";
    span.textContent = words;
    this.paragraph.append(span);
  }
}

function line(text, name) {
  const paragraph = document.createElement("p");
  paragraph.className = name;
  paragraph.textContent = text;
  return paragraph;
}

function grouped(turns) {
  const groups = [];
  for (const turn of turns) {
    const joins = turn.mode === "continue" && groups.length && !turn.text.startsWith("\n");
    if (joins) groups.at(-1).push(turn);
    else groups.push([turn]);
  }
  return groups;
}

function drawn(group) {
  const section = document.createElement("section");
  section.className = "turn";
  const writer = new Writer(section, false);
  for (const turn of group) {
    if (turn.mode === "do" || turn.mode === "say") section.append(line(turn.input, "action"));
    else if (turn.input) writer.write(turn.input, true);
    writer.write(writer.paragraph ? turn.text : turn.text.trimStart());
    if (!turn.text && turn.mode !== "opening") {
      section.append(line("The story has no answer to this. Try again, or do something else.", "note"));
    }
  }
  return section;
}

let shown = []; // what each child of the story shows, to leave alone what stays

export function show(turns) {
  const groups = grouped(turns);
  const keys = groups.map((group) => JSON.stringify(group.map(({ id, text }) => [id, text])));
  let same = 0;
  while (same < keys.length && shown[same] === keys[same]) same += 1;
  while (story.children.length > same) story.lastChild.remove();
  for (const group of groups.slice(same)) story.append(drawn(group));
  shown = keys;
  if (!turns.some((turn) => turn.text || turn.input)) {
    story.append(line("An empty page. Write how the story begins.", "note"));
    shown.push("");
  }
}

/** Shows the move at once; returns what takes the model's words as they come. */
export function begin(mode, input) {
  const joins = mode === "continue" && story.lastElementChild?.classList.contains("turn");
  let section = story.lastElementChild;
  if (joins) {
    shown[shown.length - 1] = ""; // drawn anew when the turn is done
  } else {
    section = document.createElement("section");
    section.className = "turn";
    story.append(section);
    shown.push("");
  }
  const writer = new Writer(section, true);
  if (mode === "do" || mode === "say") section.append(line(input, "action"));
  else if (input) writer.write(input, true);
  const waiting = line("", "waiting");
  waiting.setAttribute("aria-label", "The story goes on…");
  waiting.append(...[0, 1, 2].map(() => document.createElement("i")));
  section.append(waiting);
  follow(true);
  return (text) => {
    waiting.remove();
    writer.write(text);
    follow();
  };
}

/** Turns the last turn's prose into a field. `done` gets the new text, or null. */
export function edit(turns, done) {
  const turn = turns.at(-1);
  show(turns.slice(0, -1));
  const section = document.createElement("section");
  section.className = "turn editor";
  if (turn.mode === "do" || turn.mode === "say") section.append(line(turn.input, "action"));
  const form = document.createElement("form");
  const area = document.createElement("textarea");
  area.setAttribute("aria-label", "The last passage");
  area.value = turn.text.trim();
  const row = document.createElement("div");
  row.className = "row";
  const cancel = Object.assign(document.createElement("button"), { type: "button", textContent: "Cancel", className: "quiet" });
  const save = Object.assign(document.createElement("button"), { type: "submit", textContent: "Save", className: "primary" });
  cancel.style.width = "auto";
  row.append(cancel, save);
  form.append(area, row);
  section.append(form);
  story.append(section);
  shown.push("");
  cancel.onclick = () => done(null);
  form.onsubmit = (event) => { event.preventDefault(); done(area.value); };
  form.onkeydown = (event) => { if (event.key === "Escape") done(null); };
  area.focus();
  follow(true);
}

// ---- the page follows the new words, unless the reader scrolled up

let following = true;
let moving = 0;
const page = document.scrollingElement;
const rest = () => page.scrollHeight - page.clientHeight - page.scrollTop;

export function follow(anew = false) {
  following ||= anew;
  if (following && !moving) moving = requestAnimationFrame(step);
  latest.hidden = following || rest() < 60;
}

export function toEnd() {
  page.scrollTop = page.scrollHeight;
  following = true;
  latest.hidden = true;
}

function step() {
  moving = 0;
  const left = rest();
  if (!following || left < 1) return;
  page.scrollTop += still.matches ? left : Math.max(1, left * 0.16);
  if (rest() < left) moving = requestAnimationFrame(step);
}

function leave() { following = false; }
addEventListener("wheel", (event) => { if (event.deltaY < 0) leave(); }, { passive: true });
addEventListener("touchmove", leave, { passive: true });
addEventListener("keydown", (event) => {
  if (["ArrowUp", "PageUp", "Home"].includes(event.key) && !event.target.closest("textarea, input")) leave();
});
addEventListener("scroll", () => {
  if (rest() < 40) following = true;
  latest.hidden = following || rest() < 60;
}, { passive: true });
latest.addEventListener("click", () => follow(true));
