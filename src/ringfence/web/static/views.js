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
    const lines = [...kept.views.map((one) => this.line(box, one)), ...refused.map((one) => this.leftLine(box, one))];
    box.replaceChildren(...lines, ...this.form(box, kept.may_share));
  }

  async act(box, address, body) {
    try {
      await viewsAsked(address, body);
    } catch (error) {
      notice(error.message, true);
      return;
    }
    await this.show(box);
  }

  line(box, one) {
    const line = element("p", "view");
    const link = element("a", "", one.name);
    link.href = one.path + one.query;
    link.addEventListener("click", (event) => this.page.opened(event, one));
    line.append(link);
    if (one.shared) line.append(" ", element("span", "note", `shared by ${one.by === document.body.dataset.me ? "you" : one.by_name}`));
    line.append(smallButton("Remove", () => this.act(box, `/${one.id}/remove`, {})));
    return line;
  }

  leftLine(box, [one, message]) {
    const line = element("p", "view note", `${one?.name ?? `A ${this.page.word}`}, which this browser keeps, is not saved. ${message}`);
    line.append(" ", smallButton("Discard", () => {
      this.forget(one);
      return this.show(box);
    }));
    return line;
  }

  form(box, mayShare) {
    const name = element("input");
    name.setAttribute("aria-label", `Name of the ${this.page.word}`);
    name.placeholder = `Name of this ${this.page.word}`;
    name.maxLength = 80;
    const tick = element("input");
    tick.type = "checkbox";
    const keep = smallButton(`Save ${this.page.word}`, () => {
      if (!name.value.trim()) return name.focus();
      return this.act(box, "", { name: name.value.trim(), path: location.pathname, ...this.page.now(), shared: tick.checked });
    });
    name.addEventListener("keydown", (event) => {
      if (event.key !== "Enter") return;
      event.preventDefault(); // within a form it would send that
      keep.click();
    });
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
    const names = new Set(saved.filter((one) => one.by === document.body.dataset.me).map((one) => one.name));
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
