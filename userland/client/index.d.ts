/** Bytes are sent as they are, anything else as JSON. */
export type Bytes = ArrayBuffer | ArrayBufferView;

/**
 * - `unreachable`: no socket, the client tries again;
 * - `refused`: the node closed it with 1008, the client tries again a few times;
 * - `encryption`: the channel cannot be encrypted, and the client is closed; or one message could not, and is dropped;
 * - `too_large`: a message was above what the node takes (10 MiB, unless its owner says otherwise), and was lost with the
 *   channel; the client connects again;
 * - `queue_full`, `closed`: what was given to `send` was not sent;
 * - `http`: thrown by `fetchJson`, with `status`.
 */
export type ErrorKind = "unreachable" | "refused" | "encryption" | "too_large" | "queue_full" | "closed" | "http";

export class NectarError extends Error {
  constructor(kind: ErrorKind, message: string, facts?: { cause?: unknown; status?: number });
  readonly kind: ErrorKind;
  readonly status: number | undefined;
}

export interface Handlers {
  /** The channel is there; called again after each reconnection. What it sends goes ahead of what waited. */
  onOpen?: (event: Event, api: NectarEncryptorApi) => void;
  /**
   * `data` is the value of a frame that holds JSON, else its text or ArrayBuffer; `frame` is the frame as it came. An
   * encrypted channel knows bytes only: what is no JSON is an ArrayBuffer there.
   */
  onMessage?: (data: any, api: NectarEncryptorApi, frame: string | ArrayBuffer) => void;
  /** A socket ended, whether or not it had become a channel. */
  onClose?: (event: CloseEvent, api: NectarEncryptorApi) => void;
  onError?: (error: NectarError, api: NectarEncryptorApi) => void;
  /** After `onOpen` of an encrypted channel: the node has proven its key. */
  onEncryptionReady?: (api: NectarEncryptorApi) => void;
}

export interface Options extends Handlers {
  /** Default: `window.our.node`, which `/our.js` sets. */
  nodeId?: string;
  /** Default: the process below whose id this page stands, such as `/chat:chat:nectar/`. */
  processId?: string;
  /** http(s) or ws(s), absolute or seen from the page. Default: `/`. */
  uri?: string;
  /** A name of the page's for the channel; kept, and not sent. */
  channelId?: string;
  /** Default: true with `onEncryptionReady`, else false. */
  encrypted?: boolean;
  /** The node's Ed25519 key in hex. Default: `window.our.public_key`, which `/our.js` sets. */
  publicKey?: string;
}

export interface FetchOptions extends Omit<RequestInit, "body"> {
  /** Sent as JSON, by POST unless `method` says otherwise. */
  body?: unknown;
}

/** Throws TypeError for options that can never work; whatever happens later goes to `onError`. */
export class NectarEncryptorApi {
  constructor(options?: Options);
  readonly nodeId: string;
  readonly processId: string;
  readonly channelId: string | null;
  readonly uri: string;
  readonly encrypted: boolean;
  /** The node's number for the channel while it is open; null as well on a path that the process bound. */
  readonly channel: number | null;
  readonly isOpen: boolean;
  /**
   * Sends now, or waits for the channel: up to 1,000 messages or 16 MiB. `encrypted: true` only makes sure: the whole
   * channel is encrypted or none of it. Throws TypeError for data that has no JSON.
   */
  send(message: { data: unknown; encrypted?: boolean }): void;
  /**
   * `path` is one of the process, unless it begins with a process id; null where the answer is empty. Throws
   * `NectarError` when the answer is no 2xx or no JSON.
   */
  fetchJson<T = any>(path: string, init?: FetchOptions): Promise<T>;
  /** For good. What still waits is dropped. */
  close(): void;
}

export default NectarEncryptorApi;

declare global {
  interface Window {
    NectarEncryptorApi: typeof NectarEncryptorApi;
    our?: { node: string; public_key?: string };
  }
}
