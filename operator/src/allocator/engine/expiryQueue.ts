import { grownFloats, grownInts } from './columns.ts';

/**
 * Row numbers by due time: a binary min-heap that knows where each row stands, so that a row can leave early.
 *
 * Guarantees: every operation is logarithmic; a row is in the queue at most once; rows due at one time leave in order
 * of their number.
 */
export class ExpiryQueue {
  size = 0;
  #rows = new Int32Array(16);
  /** By row: its place in the heap, −1 when it is not in it. */
  #places = new Int32Array(16).fill(-1);
  #due = new Float64Array(16);

  add(row: number, dueMs: number): void {
    if (row >= this.#places.length) {
      this.#places = grownInts(this.#places, row + 1, -1);
      this.#due = grownFloats(this.#due, row + 1);
    }
    if (this.size >= this.#rows.length) this.#rows = grownInts(this.#rows, this.size + 1);
    this.#due[row] = dueMs;
    this.#put(this.size++, row);
    this.#rise(this.size - 1);
  }

  remove(row: number): void {
    const place = this.#places[row] ?? -1;
    if (place < 0) return;
    this.#places[row] = -1;
    this.size--;
    if (place === this.size) return;
    const moved = this.#rows[this.size] as number;
    this.#put(place, moved);
    this.#rise(place);
    this.#sink(this.#places[moved] as number);
  }

  /** The row that is due first, −1 when the queue is empty. */
  first(): number {
    return this.size === 0 ? -1 : (this.#rows[0] as number);
  }

  dueMs(row: number): number {
    return this.#due[row] as number;
  }

  #isBefore(left: number, right: number): boolean {
    const difference = (this.#due[left] as number) - (this.#due[right] as number);
    return difference < 0 || (difference === 0 && left < right);
  }

  #put(place: number, row: number): void {
    this.#rows[place] = row;
    this.#places[row] = place;
  }

  #rise(from: number): void {
    let place = from;
    const row = this.#rows[place] as number;
    while (place > 0) {
      const above = (place - 1) >> 1;
      const other = this.#rows[above] as number;
      if (!this.#isBefore(row, other)) break;
      this.#put(place, other);
      place = above;
    }
    this.#put(place, row);
  }

  #sink(from: number): void {
    let place = from;
    const row = this.#rows[place] as number;
    for (;;) {
      let below = 2 * place + 1;
      if (below >= this.size) break;
      const sibling = below + 1;
      if (
        sibling < this.size &&
        this.#isBefore(this.#rows[sibling] as number, this.#rows[below] as number)
      )
        below = sibling;
      const other = this.#rows[below] as number;
      if (!this.#isBefore(other, row)) break;
      this.#put(place, other);
      place = below;
    }
    this.#put(place, row);
  }
}
