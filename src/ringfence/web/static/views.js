// Views of a page that the server keeps for whoever is signed in, and those that others share.
"use strict";

function remembered(key, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(key)) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, JSON.stringify(value));
  } catch { /* the browser keeps nothing: the page works without */ }
}

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text) made.textContent = text;
  return made;
}

function smallButton(text, act) {
  const made = element("button", "button small", text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

// What the server answers on views; an error with its words where it refuses.
async function viewsAsked(address, body) {
  const headers = { "X-CSRF-Token": document.body.dataset.csrf, "content-type": "application/json" };
  const asked = body ? { method: "POST", headers, body: JSON.stringify(body) } : {};
  let answer;
  try {
    answer = await fetch(`/views${address}`, asked);
  } catch {
    throw new Error("The server cannot be reached: try again.");
  }
  if (!answer.ok) throw new Error(wordsOf(await answer.text()) || `Problem ${answer.status}`);
  return answer.json();
}

function isMine(view) {
  return view.by === document.body.dataset.me;
}

// `word` is what one is called. `now()` gives query and layout of the page as it stands; `opened(event, view)` is called
// when somebody opens one. `key` holds those that this browser kept before the server did, `old(kept)` makes a view of one.
class SavedViews {
  constructor(page) {
    this.page = page;
  }

  async show(box) {
    const { word } = this.page;
    const list = () => viewsAsked(`?path=${encodeURIComponent(location.pathname)}`);
    let [kept, refused] = [null, []];
    try {
      kept = await list();
      if (this.oldViews().length) {
        refused = await this.takeOver(kept.views);
        kept = await list();
      }
    } catch (error) {
      box.replaceChildren(element("p", "note", `Saved ${word === "view" ? "views" : "queries"} cannot be shown. ${error.message}`));
      return;
    }
    const mine = new Map(kept.views.filter(isMine).map((one) => [one.name, one]));
    const lines = [
      ...kept.views.map((one) => this.line(box, one, mine)),
      ...refused.map((one) => this.leftLine(box, one)),
    ];
    box.replaceChildren(...lines, ...this.form(box, kept.may_share, mine));
  }

  async act(box, ...asked) {
    try {
      for (const [address, body] of asked) await viewsAsked(address, body);
    } catch (error) {
      notice(error.message, true);
      return;
    }
    await this.show(box);
  }

  line(box, one, mine) {
    const line = element("p", "view");
    const link = element("a", "", one.name);
    link.href = one.path + one.query;
    link.addEventListener("click", (event) => this.page.opened(event, one));
    line.append(link);
    if (one.shared) line.append(" ", element("span", "note", `shared by ${isMine(one) ? "you" : one.by_name}`));
    if (isMine(one)) line.append(smallButton("Rename", () => this.rename(box, line, one, mine)));
    line.append(smallButton("Remove", () => this.act(box, [`/${one.id}/remove`, {}])));
    return line;
  }

  rename(box, line, one, mine) {
    const name = this.nameField(`New name of ${one.name}`, () => {
      const given = name.value.trim();
      if (!given || given === one.name) return this.show(box);
      if (mine.has(given)) return notice(`You have a ${this.page.word} named ${given}: choose another name.`, true);
      const { path, query, layout, shared } = one;
      return this.act(box, ["", { name: given, path, query, layout, shared }], [`/${one.id}/remove`, {}]);
    });
    name.value = one.name;
    name.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.show(box);
    });
    line.replaceChildren(name, smallButton("Rename", () => name.accept()));
    name.select();
  }

  nameField(label, accept) {
    const name = element("input");
    name.setAttribute("aria-label", label);
    name.maxLength = 80;
    name.accept = accept;
    name.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // within a form it would send that
      accept();
    });
    return name;
  }

  leftLine(box, [one, message]) {
    const line = element("p", "view note", `${one?.name ?? `A ${this.page.word}`}, which this browser keeps, is not saved. ${message}`);
    line.append(" ", smallButton("Discard", () => {
      this.forget(one);
      return this.show(box);
    }));
    return line;
  }

  // Saving under the name of a view of one's own replaces it, and leaves it shared as it is.
  form(box, mayShare, mine) {
    const tick = element("input");
    tick.type = "checkbox";
    const save = () => {
      if (!name.value.trim()) return name.focus();
      const view = { name: name.value.trim(), path: location.pathname, ...this.page.now(), shared: tick.checked };
      return this.act(box, ["", view]);
    };
    const name = this.nameField(`Name of the ${this.page.word}`, save);
    name.placeholder = `Name of this ${this.page.word}`;
    const keep = smallButton("", save);
    const told = () => {
      const own = mine.get(name.value.trim());
      keep.textContent = `${own ? "Replace" : "Save"} ${this.page.word}`;
      if (own) tick.checked = own.shared;
    };
    name.addEventListener("input", told);
    told();
    const share = element("label", "check");
    share.append(tick, " Share with everybody");
    return [name, ...(mayShare ? [share] : []), keep];
  }

  oldViews() {
    const old = remembered(this.page.key, []);
    return Array.isArray(old) ? old : [];
  }

  forget(old) {
    const text = JSON.stringify(old);
    remember(this.page.key, this.oldViews().filter((one) => JSON.stringify(one) !== text));
  }

  // Each old view leaves the browser once the server has one of its name, which is newer and stays as it is.
  // Those that the server refuses stay here, and are returned with its words.
  async takeOver(saved) {
    const names = new Set(saved.filter(isMine).map((one) => one.name));
    const refused = [];
    for (const one of this.oldViews()) {
      try {
        const view = this.page.old(one);
        if (!names.has(view.name)) {
          await viewsAsked("", view);
          names.add(view.name);
        }
        this.forget(one);
      } catch (error) {
        refused.push([one, error instanceof TypeError ? "It cannot be read." : error.message]);
      }
    }
    return refused;
  }
}
