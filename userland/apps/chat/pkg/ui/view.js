/** The messages as they are seen. Whatever people wrote is put in as text, never as HTML. */

const MOST = 1000;
const MINUTES_OF_ONE_BREATH = 5;
const NEAR_THE_END = 80;

const find = (id) => document.getElementById(id);
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const calendar = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long", year: "numeric" });

function element(name, className, text) {
  const made = document.createElement(name);
  made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

/** Whoever bears my name on another node is not me. */
const isBy = (me, { author, node }) => author === me && !node;

export class Log {
  #byId = new Map();
  #log = find("log");
  #list = find("messages");
  #newest = find("newest");

  constructor() {
    this.#newest.addEventListener("click", () => this.#toTheEnd());
    this.#log.addEventListener("scroll", () => {
      if (this.#isAtTheEnd()) this.#newest.hidden = true;
    });
    // A keyboard on the screen, or a longer text in the form, takes room away.
    new ResizeObserver(() => {
      if (this.#newest.hidden) this.#toTheEnd();
    }).observe(this.#log);
  }

  /** `messages` in any order; those that are here already are left alone. `me` is the name they are told apart by. */
  add(messages, me) {
    const stay = !this.#isAtTheEnd();
    const fresh = messages.filter(({ id }) => !this.#byId.has(id));
    if (fresh.length === 0) return;
    for (const message of fresh) this.#byId.set(message.id, message);
    const kept = [...this.#byId.values()].sort((a, b) => a.id - b.id).slice(-MOST);
    const shown = this.#list.childElementCount > 0 && this.#isBehind(fresh);
    this.#byId = new Map(kept.map((message) => [message.id, message]));
    if (shown) this.#append(fresh, me);
    else this.#showAll(me);
    find("empty").hidden = this.#byId.size > 0;
    if (stay && !fresh.every((message) => isBy(me, message))) this.#newest.hidden = false;
    else if (!stay || fresh.some((message) => isBy(me, message))) this.#toTheEnd();
  }

  /** After `me` took another name. */
  redraw(me) {
    this.#showAll(me);
    this.#toTheEnd();
  }

  clear() {
    this.#byId.clear();
    this.#list.replaceChildren();
  }

  /** The answer of the node has come. */
  loaded() {
    find("empty").hidden = this.#byId.size > 0;
    this.#log.setAttribute("aria-busy", "false");
  }

  has(wanted) {
    return [...this.#byId.values()].some(wanted);
  }

  /** The other nodes from which somebody spoke, each once. */
  nodes() {
    return new Set([...this.#byId.values()].flatMap(({ node }) => node ?? []));
  }

  #isBehind(fresh) {
    const last = Number(this.#list.lastElementChild.dataset.id);
    return fresh.every(({ id }, n) => id > (n === 0 ? last : fresh[n - 1].id));
  }

  #append(fresh, me) {
    const ids = [...this.#byId.keys()];
    for (const message of fresh) this.#show(message, this.#byId.get(ids[ids.indexOf(message.id) - 1]), me);
    while (this.#list.childElementCount > MOST) this.#list.firstElementChild.remove();
  }

  #showAll(me) {
    this.#list.replaceChildren();
    let before;
    for (const message of this.#byId.values()) {
      this.#show(message, before, me);
      before = message;
    }
  }

  #show(message, before, me) {
    const at = new Date(message.at * 1000);
    const earlier = before && new Date(before.at * 1000);
    if (earlier?.toDateString() !== at.toDateString()) this.#list.append(element("li", "day", calendar.format(at)));
    const line = element("li", isBy(me, message) ? "own" : "");
    const soon = earlier && at - earlier < MINUTES_OF_ONE_BREATH * 60_000;
    line.classList.toggle("more", Boolean(soon && before.author === message.author && before.node === message.node));
    line.dataset.id = message.id;
    const by = element("p", "by");
    const name = document.createElement("b");
    name.append(element("bdi", "", message.author));
    const time = element("time", "", clock.format(at));
    time.dateTime = at.toISOString();
    by.append(name, " ");
    // Of another node only its own name is proven.
    if (message.node) by.append(element("span", "node", `on ${message.node}`), " ");
    by.append(time);
    const text = element("p", "text", message.text);
    text.dir = "auto";
    line.append(by, text);
    this.#list.append(line);
  }

  #isAtTheEnd() {
    const { scrollHeight, scrollTop, clientHeight } = this.#log;
    return scrollHeight - scrollTop - clientHeight < NEAR_THE_END;
  }

  #toTheEnd() {
    this.#newest.hidden = true;
    this.#log.scrollTop = this.#log.scrollHeight;
  }
}
