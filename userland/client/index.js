/**
 * A channel between a page and a process of a Nectar node: a WebSocket that registers, reconnects and, if asked,
 * encrypts. README.md tells how it is used, index.d.ts what each part promises.
 *
 * `NectarEncryptorApi` decides (what waits, when to try again, what the page is told); a `Link` is one socket's life;
 * a `KeyExchange` and a `Cipher` are what an encrypted one needs.
 *
 * @typedef {import("./index.d.ts").Options} Options
 * @typedef {import("./index.d.ts").Handlers} Handlers
 * @typedef {import("./index.d.ts").ErrorKind} ErrorKind
 * @typedef {import("./index.d.ts").FetchOptions} FetchOptions
 * @typedef {Uint8Array<ArrayBuffer>} Bytes
 */

const REGISTER_MS = 15_000;
/** A channel that lived this long was a good one: the next wait is a short one again. */
const STEADY_MS = 5_000;
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;
/** So many refusals in a row, and the client stops asking. */
const REFUSALS = 5;
const WAITING_MESSAGES = 1_000;
const WAITING_BYTES = 16 * 1024 * 1024;

const CLOSED_BY_CHOICE = 1000;
const REFUSED = 1008;
const TOO_LARGE = 1009;
const CLIENT_FAILS = 4000;

/** In front of what the node signs for a secret. */
const SECRET_LABEL = new TextEncoder().encode("nectar-channel-1");
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PROCESS_ID = /^[^:/]+:[^:/]+:[^:/]+$/;

export class NectarError extends Error {
  /**
   * @param {ErrorKind} kind
   * @param {string} message
   * @param {{ cause?: unknown, status?: number }} [facts]
   */
  constructor(kind, message, { cause, status } = {}) {
    super(message, { cause });
    this.name = "NectarError";
    this.kind = kind;
    this.status = status;
  }
}

/** @param {unknown} error */
const asNectarError = (error) =>
  error instanceof NectarError ? error : new NectarError("encryption", String(error), { cause: error });

// -- where the page is

/** @param {string} name */
function cookie(name) {
  const found = document.cookie.split("; ").find((part) => part.startsWith(`${name}=`));
  return found?.slice(name.length + 1);
}

/**
 * The process below whose `/{process id}/` a rooted path is.
 *
 * @param {string} path
 */
function processOf(path) {
  const first = path.split(/[/?#]/)[1] ?? "";
  try {
    const id = decodeURIComponent(first);
    return PROCESS_ID.test(id) ? id : undefined;
  } catch {
    return undefined; // a stray percent sign
  }
}

/** @param {string} uri */
function socketAddress(uri) {
  const address = new URL(uri, location.href);
  address.protocol = address.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(address.protocol)) throw new TypeError(`uri ${uri} is none of a node: it wants http(s) or ws(s)`);
  address.hash = "";
  return address;
}

/**
 * @param {string | undefined} given
 * @param {string} name
 * @param {string} advice
 */
function required(given, name, advice) {
  if (typeof given === "string" && given !== "") return given;
  throw new TypeError(`NectarEncryptorApi has no ${name}: ${advice}`);
}

// -- bytes

/** @param {Bytes} bytes */
const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/**
 * @param {unknown} text
 * @param {string} name
 */
function fromHex(text, name) {
  const digits = String(text).replace(/^0x/, "");
  if (!/^([0-9a-f]{2})+$/i.test(digits)) throw new NectarError("encryption", `${name} is not hex: ${text}`);
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** @param {string} text */
const fromBase64Url = (text) =>
  Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));

/**
 * What goes over the wire for `data`: bytes as they are, anything else as JSON.
 *
 * @param {unknown} data
 * @returns {Bytes}
 */
function encode(data) {
  if (data instanceof ArrayBuffer) return new Uint8Array(data.slice(0));
  if (ArrayBuffer.isView(data)) return new Uint8Array(data.buffer, data.byteOffset, data.byteLength).slice();
  if (data instanceof Blob) throw new TypeError("a Blob cannot be sent: send await blob.arrayBuffer()");
  const text = JSON.stringify(data);
  if (text === undefined) throw new TypeError(`${typeof data} has no JSON: write send({ data: .. })`);
  return new TextEncoder().encode(text);
}

/**
 * The value of a frame that holds JSON; else the text or the bytes that it holds.
 *
 * @param {string | ArrayBuffer} frame
 */
function decode(frame) {
  try {
    return JSON.parse(typeof frame === "string" ? frame : new TextDecoder("utf-8", { fatal: true }).decode(frame));
  } catch {
    return frame;
  }
}

// -- encryption

/** The client's half of the key exchange: an RSA key for one socket, and the key by which the node is known. */
class KeyExchange {
  /**
   * @param {CryptoKeyPair} pair
   * @param {Bytes} modulus
   * @param {CryptoKey} node
   */
  constructor(pair, modulus, node) {
    this.pair = pair;
    this.modulus = modulus;
    this.node = node;
  }

  /** @param {string | undefined} publicKey */
  static async open(publicKey) {
    const subtle = globalThis.crypto?.subtle;
    if (subtle === undefined) {
      throw new NectarError(
        "encryption",
        `this browser encrypts only on secure pages, and ${location.origin} is none: use https, or http://localhost`,
      );
    }
    if (publicKey === undefined) {
      throw new NectarError("encryption", "the node's key is not known: load /our.js first, or give publicKey");
    }
    const pinned = fromHex(publicKey, "publicKey");
    let node;
    try {
      node = await subtle.importKey("raw", pinned, "Ed25519", false, ["verify"]);
    } catch (cause) {
      const problem = `the node's key ${publicKey} is no Ed25519 key, or this browser knows no Ed25519`;
      throw new NectarError("encryption", problem, { cause });
    }
    const kind = { name: "RSA-OAEP", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash: "SHA-256" };
    const pair = await subtle.generateKey(kind, false, ["encrypt", "decrypt", "wrapKey", "unwrapKey"]);
    const { n = "" } = await subtle.exportKey("jwk", pair.publicKey);
    return new KeyExchange(pair, fromBase64Url(n), node);
  }

  /** @param {Record<string, unknown>} answer the node's to the register frame */
  async finish({ encrypted_secret, signed_secret }) {
    if (encrypted_secret === undefined) {
      throw new NectarError("encryption", "the node answered without a key: it does not encrypt this channel");
    }
    if (signed_secret === undefined) {
      throw new NectarError("encryption", "the secret is not signed: it may be of whoever is between, or the node is old");
    }
    const secret = fromHex(encrypted_secret, "encrypted_secret");
    // The signature over the modulus alone would be true of any secret, also of one that somebody between has sealed.
    const signed = new Uint8Array([...SECRET_LABEL, ...this.modulus, ...secret]);
    const signature = fromHex(signed_secret, "signed_secret");
    if (!(await crypto.subtle.verify("Ed25519", this.node, signature, signed))) {
      throw new NectarError("encryption", "the secret is not signed by the node whose key this page knows");
    }
    try {
      const key = await crypto.subtle.unwrapKey(
        "raw", secret, this.pair.privateKey, "RSA-OAEP", "AES-GCM", false, ["encrypt", "decrypt"],
      );
      if (/** @type {AesKeyAlgorithm} */ (key.algorithm).length === 256) return new Cipher(key);
    } catch (cause) {
      throw new NectarError("encryption", "the node's secret is not for this client", { cause });
    }
    throw new NectarError("encryption", "the node's secret is not of 32 bytes");
  }
}

/** AES-256-GCM; a frame is ciphertext, tag, nonce. */
class Cipher {
  #key;

  /** @param {CryptoKey} key */
  constructor(key) {
    this.#key = key;
  }

  /** @param {Bytes} bytes */
  async seal(bytes) {
    const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
    const sealed = await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce }, this.#key, bytes);
    const frame = new Uint8Array(sealed.byteLength + NONCE_BYTES);
    frame.set(new Uint8Array(sealed));
    frame.set(nonce, sealed.byteLength);
    return frame;
  }

  /** @param {string | ArrayBuffer} frame */
  async open(frame) {
    const end = typeof frame === "string" ? 0 : frame.byteLength - NONCE_BYTES;
    if (typeof frame === "string" || end < TAG_BYTES) {
      throw new NectarError("encryption", "the node sent a frame that is not encrypted");
    }
    try {
      return await crypto.subtle.decrypt({ name: "AES-GCM", iv: frame.slice(end) }, this.#key, frame.slice(0, end));
    } catch (cause) {
      throw new NectarError("encryption", "the node sent a frame that does not decrypt", { cause });
    }
  }
}

// -- one socket

/**
 * What a link tells, in the order in which it happened; after `ended` nothing.
 *
 * @typedef {object} Listener
 * @property {(event: Event, channel: number | null) => void} opened
 * @property {(frame: string | ArrayBuffer) => void} received
 * @property {(why: string) => void} dropped a frame
 * @property {(error: NectarError) => void} failed it closes itself
 * @property {(event: CloseEvent) => void} ended
 */

class Link {
  openedAt = 0;
  #socket;
  #listener;
  #exchange;
  #timer;
  /** @type {Event} */
  #event = new Event("open");
  /** @type {Cipher | null} */
  #cipher = null;
  /** At the node's root: it always answers. A path that a process bound takes a plain register without a word. */
  #atRoot;
  #isSettled = false;
  #reading = Promise.resolve();
  #writing = Promise.resolve();

  /**
   * @param {URL} address
   * @param {() => object} register
   * @param {KeyExchange | null} exchange
   * @param {Listener} listener
   */
  constructor(address, register, exchange, listener) {
    const socket = new WebSocket(address);
    this.#socket = socket;
    this.#listener = listener;
    this.#exchange = exchange;
    this.#atRoot = address.pathname === "/";
    this.#timer = setTimeout(() => this.close(CLIENT_FAILS), REGISTER_MS);
    socket.binaryType = "arraybuffer";
    socket.onopen = (event) => {
      this.#event = event;
      socket.send(JSON.stringify(register()));
      if (!this.#atRoot && exchange === null) this.#inOrder(() => this.#open(null));
    };
    socket.onmessage = ({ data }) => this.#inOrder(() => this.#take(data));
    socket.onclose = (event) => {
      clearTimeout(this.#timer);
      this.#inOrder(() => listener.ended(event));
    };
  }

  get isOpen() {
    return this.openedAt > 0 && this.#socket.readyState === WebSocket.OPEN;
  }

  /** @param {Bytes} bytes */
  send(bytes) {
    const cipher = this.#cipher;
    if (cipher === null) this.#socket.send(bytes);
    else this.#afterWrites(async () => this.#socket.send(await cipher.seal(bytes)));
  }

  /** After what was sent. */
  close(code = CLOSED_BY_CHOICE) {
    this.#afterWrites(() => this.#socket.close(code));
  }

  /** @param {() => void | Promise<void>} step */
  #afterWrites(step) {
    this.#writing = this.#writing.then(step).catch((error) => {
      this.#listener.failed(asNectarError(error));
      this.#socket.close(CLIENT_FAILS);
    });
  }

  /** @param {() => void | Promise<void>} step */
  #inOrder(step) {
    this.#reading = this.#reading.then(step).catch((error) => {
      this.#listener.failed(asNectarError(error));
      this.close(CLIENT_FAILS);
    });
  }

  /** @param {number | null} channel */
  #open(channel) {
    clearTimeout(this.#timer);
    this.openedAt = performance.now();
    this.#listener.opened(this.#event, channel);
  }

  /** @param {string | ArrayBuffer} frame */
  async #take(frame) {
    if (this.#isSettled) {
      this.#listener.received(this.#cipher === null ? frame : await this.#cipher.open(frame));
      return;
    }
    const answer = decode(frame);
    const channel = Number.isInteger(answer?.channel_id) ? answer.channel_id : null;
    if (this.#exchange !== null && !this.#atRoot && answer?.encrypted_secret === undefined) {
      this.#listener.dropped("it came before the channel was encrypted: bind the path with encrypted=True");
      return;
    }
    this.#isSettled = true;
    if (this.#atRoot || this.#exchange !== null) await this.#registered(channel, answer);
    // Where nobody bound the path, the node answers there as it does at its root.
    else if (channel === null || Object.keys(answer).length > 1) this.#listener.received(frame);
  }

  /**
   * @param {number | null} channel
   * @param {Record<string, unknown>} answer
   */
  async #registered(channel, answer) {
    if (channel === null) throw new NectarError("refused", `${this.#socket.url} is no node: it gave no channel_id`);
    if (this.#exchange !== null) this.#cipher = await this.#exchange.finish(answer);
    this.#open(channel);
  }
}

// -- the client

export class NectarEncryptorApi {
  /** @type {number | null} */
  channel = null;
  #handlers;
  #publicKey;
  /** @type {Link | null} */
  #link = null;
  /** @type {Bytes[]} */
  #waiting = [];
  #waitingBytes = 0;
  #ended = false;
  #tries = 0;
  #refusals = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;

  /** @param {Options} options */
  constructor(options = {}) {
    const { onOpen, onMessage, onClose, onError, onEncryptionReady } = options;
    const page = window.our;
    this.nodeId = required(options.nodeId ?? page?.node, "nodeId", "load /our.js first, or give it");
    this.processId = required(options.processId ?? processOf(location.pathname), "processId", 'give it, such as "chat:chat:nectar"');
    if (!PROCESS_ID.test(this.processId)) {
      throw new TypeError(`processId ${this.processId} is none: it has three parts, such as "chat:chat:nectar"`);
    }
    this.channelId = options.channelId ?? null;
    this.uri = socketAddress(options.uri ?? "/").href;
    this.encrypted = options.encrypted ?? onEncryptionReady !== undefined;
    this.#publicKey = options.publicKey ?? page?.public_key;
    this.#handlers = { onOpen, onMessage, onClose, onError, onEncryptionReady };
    void this.#connect();
  }

  get isOpen() {
    return !this.#ended && this.#link !== null && this.#link.isOpen;
  }

  /** @param {{ data: unknown, encrypted?: boolean }} message */
  send({ data, encrypted = false }) {
    const bytes = encode(data);
    if (encrypted && !this.encrypted) {
      this.#refuse("encryption", "this channel is plain: make the client with encrypted: true");
    } else if (this.#ended) {
      this.#refuse("closed", "the client is closed");
    } else if (this.#link?.isOpen) {
      this.#link.send(bytes);
    } else if (this.#waiting.length === WAITING_MESSAGES || this.#waitingBytes + bytes.length > WAITING_BYTES) {
      this.#refuse("queue_full", `${this.#waiting.length} messages wait for the node already`);
    } else {
      this.#waiting.push(bytes);
      this.#waitingBytes += bytes.length;
    }
  }

  /**
   * @param {ErrorKind} kind
   * @param {string} problem
   */
  #refuse(kind, problem) {
    this.#fail(new NectarError(kind, `a message was not sent: ${problem}`));
  }

  /**
   * @param {string} path
   * @param {FetchOptions} [init]
   */
  async fetchJson(path, init = {}) {
    const { body, ...rest } = init;
    /** @type {RequestInit} */
    const request = { ...rest };
    const headers = new Headers(init.headers);
    if (!headers.has("accept")) headers.set("accept", "application/json");
    if (body !== undefined) {
      request.method ??= "POST";
      request.body = JSON.stringify(body);
      if (!headers.has("content-type")) headers.set("content-type", "application/json");
    }
    const answer = await fetch(this.#httpAddress(path), { ...request, headers });
    const { status } = answer;
    const found = `${answer.url} answered ${status}: `;
    const text = await answer.text();
    if (!answer.ok) throw new NectarError("http", `${found}${text.slice(0, 200)}`, { status });
    if (text === "") return null;
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new NectarError("http", `${found}no JSON: ${text.slice(0, 200)}`, { cause, status });
    }
  }

  close() {
    this.#end();
    this.#link?.close();
  }

  /** @param {string} path */
  #httpAddress(path) {
    if (/^[a-z][a-z0-9+.-]*:\/\//i.test(path)) return path;
    const rooted = path.startsWith("/") ? path : `/${path}`;
    const whole = processOf(rooted) === undefined ? `/${this.processId}${rooted}` : rooted;
    return new URL(whole, this.uri.replace(/^ws/, "http"));
  }

  async #connect() {
    let exchange = null;
    try {
      // The wait is there without encryption too: no handler is called before the constructor has returned.
      exchange = await (this.encrypted ? KeyExchange.open(this.#publicKey) : null);
    } catch (error) {
      this.#giveUp(asNectarError(error));
      return;
    }
    if (this.#ended) return;
    try {
      this.#link = new Link(new URL(this.uri), () => this.#register(exchange), exchange, this.#listener);
    } catch (cause) {
      this.#giveUp(new NectarError("unreachable", `the browser opens no socket to ${this.uri}: ${cause}`, { cause }));
    }
  }

  /** @param {KeyExchange | null} exchange */
  #register(exchange) {
    return {
      auth_token: cookie(`nectar-auth_${this.nodeId}`),
      target_process: this.processId,
      encrypted: exchange !== null,
      public_key_hex: exchange === null ? undefined : toHex(exchange.modulus),
      sign_secret: exchange === null ? undefined : true,
    };
  }

  /** @type {Listener} */
  #listener = {
    opened: (event, channel) => {
      if (this.#ended) return;
      this.channel = channel;
      this.#tell((on) => on.onOpen?.(event, this));
      if (this.encrypted && !this.#ended) this.#tell((on) => on.onEncryptionReady?.(this));
      // A channel that has ended since sends nothing: what waited goes on waiting.
      if (!this.isOpen) return;
      const waited = this.#waiting;
      this.#forgetWaiting();
      for (const bytes of waited) this.#link?.send(bytes);
    },
    received: (frame) => {
      if (!this.#ended) this.#tell((on) => on.onMessage?.(decode(frame), this, frame));
    },
    dropped: (why) => this.#fail(new NectarError("encryption", `a frame was dropped: ${why}`)),
    failed: (error) => this.#giveUp(error),
    ended: (event) => this.#lost(event),
  };

  /** @param {CloseEvent} event */
  #lost(event) {
    const openedAt = this.#link?.openedAt ?? 0;
    this.#link = null;
    this.channel = null;
    if (openedAt > 0 && performance.now() - openedAt > STEADY_MS) this.#tries = this.#refusals = 0;
    if (!this.#ended) this.#explain(openedAt > 0, event);
    // Before the handler: what that one sends must not seem to wait for a channel that never comes.
    if (openedAt > 0 && event.code === CLOSED_BY_CHOICE) this.#end();
    this.#tell((on) => on.onClose?.(event, this));
    if (!this.#ended) this.#tryAgain();
  }

  /**
   * @param {boolean} wasOpen
   * @param {CloseEvent} cause
   */
  #explain(wasOpen, cause) {
    if (cause.code === REFUSED) {
      this.#refusals += 1;
      const error = new NectarError("refused", this.#refusal(wasOpen), { cause });
      if (this.#refusals < REFUSALS) this.#fail(error);
      else this.#giveUp(error);
    } else if (cause.code === TOO_LARGE) {
      this.#fail(new NectarError("too_large", `${this.nodeId} takes no message of that size: it was lost`, { cause }));
    } else if (!wasOpen) {
      const problem = `no channel at ${this.uri}: the node is not there, or takes no socket on that path`;
      this.#fail(new NectarError("unreachable", problem, { cause }));
    }
  }

  /** @param {boolean} wasOpen */
  #refusal(wasOpen) {
    if (wasOpen) return `${this.nodeId} closed the channel of ${this.processId} as one that breaks its rules`;
    const name = `nectar-auth_${this.nodeId}`;
    const login = cookie(name) === undefined ? `there is no cookie ${name}, so log in` : "the login may have expired";
    return `${this.nodeId} refused a channel of ${this.processId}: ${login}; or the process does not run`;
  }

  #tryAgain() {
    const wait = Math.min(LONGEST_WAIT_MS, FIRST_WAIT_MS * 2 ** this.#tries);
    this.#tries += 1;
    this.#timer = setTimeout(() => void this.#connect(), wait * (0.5 + Math.random() / 2));
  }

  /** @param {NectarError} error */
  #giveUp(error) {
    if (this.#ended) return;
    const unsent = this.#waiting.length;
    this.#end();
    if (unsent > 0) error.message += `; ${unsent} messages that waited were not sent`;
    this.#fail(error);
  }

  #end() {
    this.#ended = true;
    clearTimeout(this.#timer);
    this.#forgetWaiting();
  }

  #forgetWaiting() {
    this.#waiting = [];
    this.#waitingBytes = 0;
  }

  /** @param {NectarError} error */
  #fail(error) {
    this.#tell((on) => on.onError?.(error, this));
  }

  /**
   * A handler that throws is reported as a listener that does, and harms the client no more than that.
   *
   * @param {(on: Handlers) => void} call
   */
  #tell(call) {
    try {
      call(this.#handlers);
    } catch (error) {
      reportError(error);
    }
  }
}

window.NectarEncryptorApi = NectarEncryptorApi;
export default NectarEncryptorApi;
