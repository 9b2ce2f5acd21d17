// The drawer of stories, and the dialogs that close alike.

import { call } from "./api.js";

const $ = (id) => document.getElementById(id);
const PAGE = 50;
const ago = new Intl.RelativeTimeFormat("en", { numeric: "auto" });

function when(iso) {
  const minutes = Math.round((new Date(iso) - Date.now()) / 60000);
  if (minutes > -1) return "just now";
  if (minutes > -60) return ago.format(minutes, "minute");
  if (minutes > -60 * 24) return ago.format(Math.round(minutes / 60), "hour");
  return ago.format(Math.round(minutes / 60 / 24), "day");
}

function button(text, name, label) {
  const made = Object.assign(document.createElement("button"), { type: "button", className: name });
  if (label) {
    made.ariaLabel = label;
    made.innerHTML = `<svg aria-hidden="true"><use href="#${text}"/></svg>`;
  } else {
    made.textContent = text;
  }
  return made;
}

/** page: what the drawer needs of the page: current, open, start, renamed, deleted, complain. */
export function install(page) {
  let loaded = 0;

  function row(story) {
    const item = document.createElement("li");
    const name = story.title || "A new story";
    const pick = button("", "pick");
    const title = Object.assign(document.createElement("b"), { textContent: name });
    pick.append(title, Object.assign(document.createElement("small"), { textContent: when(story.updated_at) }));
    if (story.id === page.current()) item.setAttribute("aria-current", "true");
    pick.onclick = () => { $("shelf").close(); page.open(story.id); };
    const rename = button("i-edit", "icon", `Rename ${name}`);
    rename.onclick = () => renaming(item, story);
    const bin = button("i-bin", "icon", `Delete ${name}`);
    bin.onclick = () => {
      const sure = button("Delete?", "sure");
      bin.replaceWith(sure);
      sure.focus();
      sure.onblur = () => sure.replaceWith(bin);
      sure.onclick = () => attempt(async () => {
        sure.onblur = null;
        await call("DELETE", `stories/${story.id}`);
        item.remove();
        page.deleted(story.id);
      });
    };
    item.append(pick, rename, bin);
    return item;
  }

  function renaming(item, story) {
    const form = document.createElement("form");
    const field = Object.assign(document.createElement("input"), { value: story.title, maxLength: 120, ariaLabel: "Title" });
    form.append(field, Object.assign(button("Save", ""), { type: "submit" }));
    form.onsubmit = (event) => {
      event.preventDefault();
      attempt(async () => {
        const changed = await call("PATCH", `stories/${story.id}`, { title: field.value });
        item.replaceWith(row(changed));
        page.renamed(changed);
      });
    };
    form.onkeydown = (event) => {
      if (event.key === "Escape") { event.preventDefault(); event.stopPropagation(); item.replaceWith(row(story)); }
    };
    item.replaceChildren(form);
    field.select();
  }

  async function attempt(work) {
    try {
      await work();
    } catch (trouble) {
      $("shelf").close();
      page.complain(trouble, () => attempt(work));
    }
  }

  async function more() {
    const { stories, total } = await call("GET", `stories?limit=${PAGE}&offset=${loaded}`);
    $("stories").append(...stories.map(row));
    loaded += stories.length;
    $("older").hidden = loaded >= total || !stories.length;
  }

  $("older").addEventListener("click", () => attempt(more));
  $("open-shelf").addEventListener("click", () => attempt(async () => {
    loaded = 0;
    $("stories").replaceChildren();
    $("shelf").showModal();
    await more();
  }));
  $("open-new").addEventListener("click", () => {
    $("shelf").close();
    $("new").querySelector("form").reset();
    $("new").showModal();
  });
  $("new").querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    const { title, opening } = Object.fromEntries(new FormData(event.target));
    $("new").close();
    page.start({ title, opening: opening.trim() || null });
  });
  for (const dialog of document.querySelectorAll("dialog")) {
    dialog.addEventListener("click", (event) => {
      const box = dialog.getBoundingClientRect();
      const within = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
      if (event.target.closest("[data-close]") || (event.target === dialog && !within && dialog.id !== "key")) dialog.close();
    });
  }
}
