/**
 * The page of the files. What the node holds and how its transfers do comes over one channel, whenever it changes; what
 * the person does goes over HTTP.
 */

const PROCESS = "file_transfer:file_transfer:nectar";
const AGAIN_MS = 5_000;

const find = (id) => document.getElementById(id);
const units = ["B", "KiB", "MiB", "GiB", "TiB"];

/** The files that the other node showed, and which one that is. */
let theirs = { node: "", files: [] };

// -- what is told to the person

function show(kind, words) {
  find("state").dataset.kind = kind;
  find("state").textContent = words;
}

function complain(words) {
  find("problem").textContent = words;
}

function size(bytes) {
  const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, bytes)) / 10));
  const number = bytes / 2 ** (10 * step);
  return `${step ? number.toFixed(1) : number} ${units[step]}`;
}

function made(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

function button(className, words, label, act) {
  const element = made("button", className, words);
  element.type = "button";
  element.setAttribute("aria-label", label);
  element.addEventListener("click", act);
  return element;
}

function showFiles(files) {
  find("none").hidden = files.length > 0;
  find("files").replaceChildren(...files.map(({ name, size: bytes }) => {
    const item = made("li", "");
    const link = made("a", "name", name);
    link.href = `/${PROCESS}/files/${encodeURIComponent(name)}`;
    link.download = name;
    item.append(link, made("span", "size", size(bytes)), button("", "Remove", `Remove ${name}`, () => remove(name)));
    return item;
  }));
}

function showTheirs() {
  const { node, files } = theirs;
  find("nothing").hidden = !node || files.length > 0;
  find("nothing").textContent = `${node} shows no files.`;
  find("theirs").replaceChildren(...files.map(({ name, size: bytes }) => {
    const item = made("li", "");
    const get = button("get", "Get", `Get ${name} from ${node}`, () => fetchFile(node, name));
    item.append(made("span", "name", name), made("span", "size", size(bytes)), get);
    return item;
  }));
}

function showTransfers(transfers) {
  find("moving").hidden = transfers.length === 0;
  find("transfers").replaceChildren(...transfers.map((one) => {
    const item = made("li", one.state);
    const total = one.size === null ? "" : `${size(one.received)} of ${size(one.size)}`;
    item.append(made("span", "name", one.name), made("span", "size", total));
    if (one.state === "running") {
      const bar = document.createElement("progress");
      bar.setAttribute("aria-label", `${one.name} from ${one.node}`);
      if (one.size) {
        bar.max = one.size;
        bar.value = one.received;
      }
      item.append(bar);
    }
    const ends = { done: `from ${one.node}, kept as ${one.kept_as}`, failed: `from ${one.node}: ${one.error}` };
    item.append(made("p", "more", ends[one.state] ?? `from ${one.node}`));
    return item;
  }));
}

// -- what the person does

async function call(method, path, body) {
  complain("");
  try {
    const answer = await fetch(`/${PROCESS}${path}`, { method, body });
    const said = await answer.json().catch(() => ({}));
    if (answer.ok) return said;
    complain(said.Error ?? (answer.status === 413 ? "That is too large: 10 MiB at most." : `The node refused: ${answer.status}.`));
  } catch {
    complain("The node does not answer.");
  }
  return null;
}

const remove = (name) => call("DELETE", `/files/${encodeURIComponent(name)}`);
const fetchFile = (node, name) => call("POST", "/transfers", JSON.stringify({ node, name }));

async function upload(files) {
  for (const file of files) {
    if (!(await call("PUT", `/files/${encodeURIComponent(file.name)}`, file))) return;
  }
}

find("upload").addEventListener("change", async (event) => {
  await upload(event.target.files);
  event.target.value = "";
});

for (const kind of ["dragover", "dragleave", "drop"]) {
  find("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    find("drop").classList.toggle("over", kind === "dragover");
    if (kind === "drop") upload(event.dataTransfer.files);
  });
}

find("look").addEventListener("submit", async (event) => {
  event.preventDefault();
  const node = find("node").value.trim();
  const look = event.target.querySelector("button");
  look.disabled = true;
  const said = await call("GET", `/files?node=${encodeURIComponent(node)}`);
  look.disabled = false;
  theirs = said ? { node, files: said.Files } : { node: "", files: [] };
  showTheirs();
});

// -- what the node says

function connect() {
  const secure = location.protocol === "https:" ? "wss" : "ws";
  const socket = new WebSocket(`${secure}://${location.host}/${PROCESS}/`);
  socket.addEventListener("open", () => show("open", window.our?.node ?? "Connected"));
  socket.addEventListener("message", ({ data }) => {
    const { Files, Transfers } = JSON.parse(data);
    if (Files) showFiles(Files);
    if (Transfers) showTransfers(Transfers);
  });
  socket.addEventListener("close", () => {
    show("lost", "Not connected");
    setTimeout(connect, AGAIN_MS);
  });
}

connect();
