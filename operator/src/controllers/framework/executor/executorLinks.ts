import type { RelayCommand, RelayHello } from '../../../schema/http/executorRelay.ts';
import type { ExecutorEvent } from '../../../schema/mesos/executorCall.ts';

/** The open stream of one node agent. Methods never throw and never wait. */
export interface AgentSink {
  send(command: RelayCommand): void;
  end(): void;
}

/** What an executor has been sent on the stream it has now. */
export interface ExecutorSession {
  readonly launched: Set<string>;
  readonly killed: Set<string>;
}

interface Link {
  readonly endpoint: string;
  readonly sink: AgentSink;
  /** By uid of the executor's Pod. */
  readonly sessions: Map<string, ExecutorSession>;
}

/** Streams of node agents, and through them of their executors. One per node: a newer one ends the one before. */
export class ExecutorLinks {
  readonly #links = new Map<string, Link>();

  /** Returns what ends the link. */
  open(hello: RelayHello, sink: AgentSink): () => void {
    this.#links.get(hello.node)?.sink.end();
    const sessions = new Map(
      hello.executors.map(({ pod, launched }) => [
        pod,
        { launched: new Set(launched), killed: new Set<string>() },
      ]),
    );
    const link: Link = { endpoint: hello.endpoint, sink, sessions };
    this.#links.set(hello.node, link);
    return () => {
      if (this.#links.get(hello.node) === link) this.#links.delete(hello.node);
    };
  }

  /** `host:port` of the agent on the node; undefined while it has no stream here. */
  endpointOf(node: string): string | undefined {
    return this.#links.get(node)?.endpoint;
  }

  /** The executor's stream, if it has one that is known of. */
  sessionOf(node: string, pod: string): ExecutorSession | undefined {
    return this.#links.get(node)?.sessions.get(pod);
  }

  /** The executor has a new stream, on which it is known to have these tasks. */
  subscribed(node: string, pod: string, launched: Iterable<string>): ExecutorSession | undefined {
    const session = { launched: new Set(launched), killed: new Set<string>() };
    const link = this.#links.get(node);
    link?.sessions.set(pod, session);
    return link === undefined ? undefined : session;
  }

  /** Passes an event to the executor as well as it can be done; false when nobody is there to take it. */
  send(node: string, pod: string, event: ExecutorEvent): boolean {
    const link = this.#links.get(node);
    if (link?.sessions.has(pod) !== true) return false;
    link.sink.send({ pod, event });
    return true;
  }

  /** Ends the stream of an executor that is none any more. */
  dismiss(node: string, pod: string): void {
    const link = this.#links.get(node);
    if (link?.sessions.delete(pod) === true)
      link.sink.send({ pod, event: { type: 'SHUTDOWN' }, end: true });
  }

  stop(): void {
    for (const { sink } of this.#links.values()) sink.end();
    this.#links.clear();
  }
}
