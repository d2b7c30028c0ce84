/**
 * The page of the keys. What there is comes over HTTP; a channel says when something changed, and the list is asked for
 * anew. What is typed stays until it is saved, whatever others do to the key.
 */

const PROCESS = "kv_browser:kv_browser:nectar";
const AGAIN_MS = 5_000;
const find = (id) => document.getElementById(id);

/** The keys shown, and the key in the editor: null for a new one. */
let keys = [];
let current = null;
let asked = 0;

// -- what is told to the person

function show(kind, words) {
  find("state").dataset.kind = kind;
  find("state").textContent = words;
}

async function call(method, path, body) {
  find("problem").textContent = "";
  try {
    const answer = await fetch(`/${PROCESS}${path}`, { method, body });
    if (answer.ok) return answer;
    const said = await answer.json().catch(() => ({}));
    find("problem").textContent = said.Error ?? `The node refused: ${answer.status}.`;
  } catch {
    find("problem").textContent = "The node does not answer.";
  }
  return null;
}

// -- the list

async function list(after = "") {
  const mine = ++asked;
  const prefix = find("search").value;
  const answer = await call("GET", `/keys?${new URLSearchParams({ prefix, after })}`);
  if (!answer || mine !== asked) return;
  const { Keys, more, total } = await answer.json();
  keys = after ? [...keys, ...Keys] : Keys;
  find("more").hidden = !more;
  find("none").hidden = keys.length > 0;
  find("none").textContent = total ? "No key begins like that." : "No keys yet: make a new one.";
  showKeys();
}

function showKeys() {
  find("keys").replaceChildren(...keys.map(({ key, size }) => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-current", String(key === current));
    const name = document.createElement("b");
    name.textContent = key;
    const bytes = document.createElement("span");
    bytes.textContent = `${size} B`;
    button.append(name, bytes);
    button.addEventListener("click", () => edit(key));
    item.append(button);
    return item;
  }));
}

// -- one key

const encoder = new TextEncoder();
const hexOf = (bytes) => [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join(" ").replace(/(.{47}) /g, "$1\n");

/** How the bytes can be shown: as JSON or text if they are that. */
function read(bytes) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    try {
      const value = JSON.parse(text);
      if (typeof value === "object" && value !== null) return ["JSON", JSON.stringify(value, null, 2)];
    } catch {
      // Text is all it is.
    }
    return ["Text", text];
  } catch {
    return ["Hex", hexOf(bytes)];
  }
}

/** The bytes of what was typed; throws what is wrong with it. */
function written(form, text) {
  if (form === "JSON") return encoder.encode(JSON.stringify(JSON.parse(text)));
  if (form === "Text") return encoder.encode(text);
  const digits = text.replace(/\s+/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) throw new Error("Hex is pairs of the digits 0 to 9 and a to f");
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

async function edit(key) {
  const answer = await call("GET", `/values/${encodeURIComponent(key)}`);
  if (!answer) return;
  const [form, text] = read(new Uint8Array(await answer.arrayBuffer()));
  open(key, form, text);
}

function open(key, form, text) {
  current = key;
  find("editor").hidden = false;
  find("key").value = key ?? "";
  find("key").readOnly = key !== null;
  find("form").value = form;
  find("value").value = text;
  find("delete").hidden = key === null;
  find("done").textContent = "";
  showKeys();
  (key === null ? find("key") : find("value")).focus();
}

find("new").addEventListener("click", () => open(null, "Text", ""));

let shownAs = "Text";
find("form").addEventListener("focus", () => { shownAs = find("form").value; });
find("form").addEventListener("change", () => {
  const form = find("form");
  try {
    const bytes = written(shownAs, find("value").value);
    const text = form.value === "Hex" ? hexOf(bytes) : new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    find("value").value = form.value === "JSON" ? JSON.stringify(JSON.parse(text), null, 2) : text;
    find("problem").textContent = "";
    shownAs = form.value;
  } catch (error) {
    find("problem").textContent = `That is no ${form.value}: ${error.message}`;
    form.value = shownAs;
  }
});

find("editor").addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = find("key").value;
  let bytes;
  try {
    bytes = written(find("form").value, find("value").value);
  } catch (error) {
    find("problem").textContent = `That is no ${find("form").value}: ${error.message}`;
    return;
  }
  if (!(await call("PUT", `/values/${encodeURIComponent(key)}`, bytes))) return;
  current = key;
  find("key").readOnly = true;
  find("delete").hidden = false;
  find("done").textContent = `Saved, ${bytes.length} B`;
  list();
});

find("delete").addEventListener("click", async () => {
  if (!(await call("DELETE", `/values/${encodeURIComponent(current)}`))) return;
  current = null;
  find("editor").hidden = true;
  list();
});

find("search").addEventListener("input", () => list());
find("more").addEventListener("click", () => list(keys.at(-1).key));

// -- what the node says

function connect() {
  const secure = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${secure}://${location.host}/${PROCESS}/`);
  socket.addEventListener("open", () => {
    show("open", window.our?.node ?? "Connected");
    list();
  });
  socket.addEventListener("message", () => list());
  socket.addEventListener("close", () => {
    show("lost", "Not connected");
    setTimeout(connect, AGAIN_MS);
  });
}

connect();
