import {
  KubeApiError,
  type KubeObject,
  type ResourceRef,
  type WatchEvent,
  type WatchOptions,
} from '../../ports/kubeApi.ts';
import { parseObject, prepare } from './objects.ts';
import { errorOfWatchStatus } from './statusError.ts';
import { LineSplitter } from './watchLines.ts';

/** The longest line of a watch we hold: etcd refuses objects over 1.5 MB, JSON makes them a little longer. */
const MAX_LINE_CHARS = 16 * 1024 * 1024;

/** How an event of an object begins that the server writes as a Go struct: which version of what it is about. */
const HEAD =
  /^\{"type":"(?:ADDED|MODIFIED)","object":\{"kind":"\w+","apiVersion":"[^"\\]+","metadata":\{"name":"([^"\\]+)",(?:"generateName":"[^"\\]*",)?(?:"namespace":"([^"\\]+)",)?"uid":"([^"\\]+)","resourceVersion":"(\d+)"/;

/**
 * Turns the bytes of a watch into events. One that brings nothing new to who holds this version (`isHeld`) becomes a bookmark,
 * unparsed.
 *
 * Errors, thrown from `push` so that they end the exchange: `gone` and the other codes of an ERROR event;
 * `unavailable` for a line that is no watch event.
 */
export class WatchStream<T extends KubeObject> {
  readonly #lines: LineSplitter;
  readonly #what: string;
  readonly #ref: ResourceRef;
  readonly #isHeld: WatchOptions['isHeld'];
  readonly #onEvent: (event: WatchEvent<T>) => void;

  constructor(
    what: string,
    ref: ResourceRef,
    isHeld: WatchOptions['isHeld'],
    onEvent: (event: WatchEvent<T>) => void,
  ) {
    this.#what = what;
    this.#ref = ref;
    this.#isHeld = isHeld;
    this.#onEvent = onEvent;
    this.#lines = new LineSplitter(MAX_LINE_CHARS, (line) => this.#line(line));
  }

  push(chunk: Buffer): void {
    this.#lines.push(chunk);
  }

  /** Errors: `unavailable` when the stream ended inside a line. */
  end(): void {
    if (this.#lines.pendingChars > 0)
      throw new KubeApiError('unavailable', `${this.#what}: the watch was cut off inside an event`);
  }

  #line(line: string): void {
    const held = this.#heldVersion(line);
    if (held !== undefined) {
      this.#onEvent({ kind: 'bookmark', resourceVersion: held });
      return;
    }
    const { type, object } = this.#parse(line);
    switch (type) {
      case 'ADDED':
        this.#onEvent({ kind: 'added', object: this.#prepare(object) });
        break;
      case 'MODIFIED':
        this.#onEvent({ kind: 'modified', object: this.#prepare(object) });
        break;
      case 'DELETED':
        this.#onEvent({ kind: 'deleted', object: this.#prepare(object) });
        break;
      case 'BOOKMARK':
        this.#onEvent({
          kind: 'bookmark',
          resourceVersion: this.#prepare(object).metadata.resourceVersion ?? '',
        });
        break;
      case 'ERROR':
        throw errorOfWatchStatus(object, this.#what);
      default:
        throw new KubeApiError('unavailable', `${this.#what}: unknown kind of event "${type}"`);
    }
  }

  /** The version the event brings, if it is held already. */
  #heldVersion(line: string): string | undefined {
    const [, name, namespace, uid, version] =
      this.#isHeld === undefined ? [] : (HEAD.exec(line) ?? []);
    if (name === undefined || uid === undefined || version === undefined) return undefined;
    const key = { name, ...(namespace === undefined ? {} : { namespace }) };
    return this.#isHeld?.(key, uid, version) === true ? version : undefined;
  }

  #prepare(object: unknown): T {
    return prepare<T>(this.#ref, object);
  }

  #parse(line: string): { readonly type: string; readonly object: unknown } {
    try {
      const { type, object } = parseObject(this.#ref, line) as {
        type?: unknown;
        object?: unknown;
      };
      if (typeof type === 'string' && typeof object === 'object' && object !== null)
        return { type, object };
    } catch {
      // Told below, together with a line that is JSON but no event.
    }
    throw new KubeApiError(
      'unavailable',
      `${this.#what}: a line of the watch is no event: ${line.slice(0, 200)}`,
    );
  }
}
