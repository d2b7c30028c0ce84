/**
 * The page of the chat. All goes over one channel, so that an encrypted one leaves nothing in the open.
 *
 * `complete` is the id up to which no message is missing: after each reconnection, and after a gap, the rest is asked
 * for. What was typed leaves its field only when the node has confirmed it.
 */

import { Log } from "./view.js";

const PROCESS = "chat:chat:nectar";
const CONFIRMED_MS = 15_000;
const AGAIN_MS = 5_000;

const find = (id) => document.getElementById(id);
const text = find("text");
const name = find("name");
const to = find("to");
const log = new Log();
const node = window.our?.node ?? "";
const encrypted = new URLSearchParams(location.search).get("encrypted") === "1";

let api = null;
let complete = 0;
let isComplete = false;
/** What was sent last and is not confirmed: `{ tag, text, author, to, since, timer }`, with `to` for another node. */
let sending = null;
let sent = 0;

// -- what is told to the person

function show(kind, words) {
  find("state").dataset.kind = kind;
  find("state").textContent = words;
}

function complain(words, ...links) {
  find("done").textContent = "";
  find("problem").replaceChildren(words, ...links.flatMap((link) => [" ", link]));
}

function link(words, href) {
  const made = document.createElement("a");
  made.href = href;
  made.textContent = words;
  return made;
}

/** The node does not say why it refuses a channel. */
function explainRefusal() {
  const login = link("Log in", `/login?redirect=${encodeURIComponent(location.pathname + location.search)}`);
  if (encrypted) {
    const why = "your login has ended, the chat does not run, or the node takes no encrypted connections";
    complain(`The encrypted connection was refused: ${why}.`, login, link("Chat unencrypted", location.pathname));
  } else complain("The connection was refused: your login has ended, or the chat does not run.", login);
}

// -- the name, and what was typed before a login led away

const KEPT = [
  ["localStorage", "chat:name", name],
  ["sessionStorage", "chat:text", text],
  ["sessionStorage", "chat:to", to],
];

function recall() {
  for (const [storage, key, field] of KEPT) {
    try {
      field.value = window[storage].getItem(key) ?? "";
    } catch {
      // A browser that keeps nothing asks for the name again.
    }
  }
}

function remember() {
  for (const [storage, key, field] of KEPT) {
    try {
      window[storage].setItem(key, field.value);
    } catch {
      // The same.
    }
  }
}

const author = () => name.value.trim() || node;

/** The nodes that spoke here are offered as those to speak to. */
function offerNodes() {
  find("nodes").replaceChildren(...[...log.nodes()].sort().map((known) => new Option(known)));
}

// -- what the node says

function askForMissing() {
  isComplete = false;
  api.send({ data: { History: { since: complete } } });
}

function takeHistory({ messages, last }) {
  if (last < complete) {
    // The history began anew.
    complete = 0;
    log.clear();
    askForMissing();
    return;
  }
  log.add(messages, author());
  offerNodes();
  complete = last;
  isComplete = true;
  log.loaded();
  settleInterrupted();
}

function takeMessage({ message, tag }) {
  log.add([message], author());
  offerNodes();
  if (tag !== undefined && tag === sending?.tag) confirm();
  if (!isComplete) return;
  if (message.id === complete + 1) complete = message.id;
  else if (message.id > complete) askForMissing();
}

/** It is in the chat of the other node and not in this one. */
function takeDelivered({ delivered, tag }) {
  if (tag === undefined || tag !== sending?.tag) return;
  const said = sending.text;
  confirm();
  find("done").textContent = `${delivered.to} has it: ${said}`;
}

function takeError({ error, tag }) {
  const elsewhere = tag !== undefined && tag === sending?.tag ? sending.to : "";
  if (tag !== undefined && tag === sending?.tag) release();
  complain(elsewhere ? `${error}.` : `The node refused that: ${error}.`);
}

function take(data) {
  if (Array.isArray(data?.messages)) takeHistory(data);
  else if (data?.message) takeMessage(data);
  else if (data?.delivered) takeDelivered(data);
  else if (data?.error) takeError(data);
}

// -- sending

function send() {
  const typed = text.value;
  if (!typed.trim() || sending) return;
  if (!api?.isOpen) {
    complain("There is no connection, so nothing was sent. Your text stays here.");
    return;
  }
  complain("");
  sent += 1;
  const elsewhere = to.value.trim() === node ? "" : to.value.trim();
  sending = { tag: String(sent), text: typed, author: author(), to: elsewhere, since: complete };
  sending.timer = setTimeout(() => {
    release();
    complain("The node has not confirmed that. Your text stays here.");
  }, CONFIRMED_MS);
  find("send").disabled = true;
  const said = { text: typed, author: sending.author, tag: sending.tag };
  api.send({ data: { Send: elsewhere ? { ...said, to: elsewhere } : said } });
}

function release() {
  clearTimeout(sending?.timer);
  sending = null;
  find("send").disabled = false;
}

function confirm() {
  if (text.value === sending.text) text.value = "";
  complain("");
  release();
}

/** The connection broke before a message was confirmed: the history tells whether it arrived, if that was to be here. */
function settleInterrupted() {
  if (!sending?.interrupted) return;
  const { text: said, author: by, to: elsewhere, since } = sending;
  if (elsewhere) {
    release();
    complain(`The connection broke before ${elsewhere} had confirmed that. It may have it; your text stays here.`);
  } else if (log.has((message) => message.id > since && message.text === said && message.author === by)) confirm();
  else {
    release();
    complain("The connection broke before that was sent. Your text stays here.");
  }
}

// -- the channel

const handlers = {
  onOpen() {
    show("open", encrypted ? "Connected, encrypted" : "Connected");
    if (!sending) complain("");
    askForMissing();
  },
  onMessage: take,
  onClose() {
    isComplete = false;
    if (sending) sending.interrupted = true;
    if (find("state").dataset.kind !== "lost") show("waiting", "Connection lost, trying again");
  },
  onError(error, client) {
    if (error.kind === "unreachable") return;
    show("lost", "Not connected");
    if (error.kind !== "refused") {
      complain(`${error.message}.`);
      return;
    }
    explainRefusal();
    // A client gives up after a few refusals, but the node may just be starting, or the login be made in another tab.
    client.close();
    setTimeout(connect, AGAIN_MS);
  },
};

async function connect() {
  try {
    const { default: NectarEncryptorApi } = await import("/client.js");
    api = new NectarEncryptorApi({ nodeId: node, processId: PROCESS, encrypted, ...handlers });
  } catch (error) {
    show("lost", "Not connected");
    complain(`The page cannot reach the node: ${error.message}. Load it again.`);
  }
}

recall();
window.addEventListener("pagehide", remember);
name.placeholder = node;
name.addEventListener("change", () => {
  remember();
  log.redraw(author());
});
find("mode").textContent = encrypted ? "Plain" : "Encrypt";
find("mode").href = encrypted ? location.pathname : "?encrypted=1";
find("mode").title = encrypted ? "Chat over a plain connection" : "Chat over an encrypted channel";
find("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
text.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  send();
});
await connect();
