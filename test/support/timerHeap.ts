/** One pending timer of a simulated clock. `atMs` is world time; `seq` settles ties, so the order is total. */
export interface HeapTimer {
  readonly atMs: number;
  readonly seq: number;
  readonly fire: () => void;
  cancelled: boolean;
}

const before = (left: HeapTimer, right: HeapTimer): boolean =>
  left.atMs < right.atMs || (left.atMs === right.atMs && left.seq < right.seq);

/** A binary heap of timers by (time, sequence). Cancelled timers are dropped when they reach the top. */
export class TimerHeap {
  readonly #heap: HeapTimer[] = [];

  push(timer: HeapTimer): void {
    const heap = this.#heap;
    let index = heap.length;
    heap.push(timer);
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = heap[parent] as HeapTimer;
      if (!before(timer, above)) break;
      heap[index] = above;
      index = parent;
    }
    heap[index] = timer;
  }

  /** The earliest live timer, left in place. */
  peek(): HeapTimer | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined || !top.cancelled) return top;
      this.#removeTop();
    }
  }

  pop(): HeapTimer | undefined {
    const top = this.peek();
    if (top !== undefined) this.#removeTop();
    return top;
  }

  #removeTop(): void {
    const heap = this.#heap;
    const last = heap.pop() as HeapTimer;
    const size = heap.length;
    if (size === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= size) break;
      const right = child + 1;
      if (right < size && before(heap[right] as HeapTimer, heap[child] as HeapTimer)) child = right;
      const below = heap[child] as HeapTimer;
      if (!before(below, last)) break;
      heap[index] = below;
      index = child;
    }
    heap[index] = last;
  }
}
