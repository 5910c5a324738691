import { grownInts } from './columns.ts';
import type { ShareTable } from './shareTable.ts';

/**
 * Members of one level of a sorter, kept in order.
 *
 * A charged member is only noted; `settle` moves the noted ones (binary search and one block move each), or sorts anew
 * when many were charged or the cluster's totals changed. So a walk over `members` is not disturbed by charges.
 */
export class OrderedGroup {
  members = new Int32Array(4);
  size = 0;
  readonly #table: ShareTable;
  #noted = new Int32Array(8);
  #notedCount = 0;
  #isStale = false;
  #version: number;

  constructor(table: ShareTable) {
    this.#table = table;
    this.#version = table.totals.version;
  }

  /** Adds a member with its present key. */
  add(row: number): void {
    this.#table.refreshKey(row);
    this.#insert(row);
  }

  remove(row: number): void {
    const place = this.#placeOf(row);
    this.members.copyWithin(place, place + 1, this.size);
    this.size--;
    if (this.#table.touched[row] === 0) return;
    this.#table.touched[row] = 0;
    const at = this.#noted.subarray(0, this.#notedCount).indexOf(row);
    if (at >= 0) this.#noted[at] = this.#noted[--this.#notedCount] as number;
  }

  /** Notes that a member's share or count changed. True when it is the first note since the last `settle`. */
  touch(row: number): boolean {
    if (this.#isStale || this.#table.touched[row] === 1) return false;
    this.#table.touched[row] = 1;
    if (this.#notedCount >= this.#noted.length)
      this.#noted = grownInts(this.#noted, this.#notedCount + 1);
    this.#noted[this.#notedCount++] = row;
    if (this.#notedCount > 16 && this.#notedCount * 6 > this.size) this.#isStale = true;
    return this.#notedCount === 1;
  }

  /** Puts every member in its place. */
  settle(): void {
    if (this.#isStale || this.#version !== this.#table.totals.version) {
      this.#sortAnew();
      return;
    }
    for (let at = 0; at < this.#notedCount; at++) this.#moveToPlace(this.#noted[at] as number);
    this.#notedCount = 0;
  }

  #moveToPlace(row: number): void {
    const table = this.#table;
    const place = this.#placeOf(row);
    table.refreshKey(row);
    const { members } = this;
    const isAfterLeft = place === 0 || table.compare(members[place - 1] as number, row) < 0;
    const isBeforeRight =
      place === this.size - 1 || table.compare(row, members[place + 1] as number) < 0;
    if (isAfterLeft && isBeforeRight) return;
    let low = isBeforeRight ? 0 : place + 1;
    let high = isBeforeRight ? place : this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (table.compare(members[middle] as number, row) < 0) low = middle + 1;
      else high = middle;
    }
    if (low > place) {
      members.copyWithin(place, place + 1, low);
      members[low - 1] = row;
    } else {
      members.copyWithin(low + 1, low, place);
      members[low] = row;
    }
  }

  #insert(row: number): void {
    if (this.size >= this.members.length) this.members = grownInts(this.members, this.size + 1);
    let low = 0;
    let high = this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#table.compare(this.members[middle] as number, row) < 0) low = middle + 1;
      else high = middle;
    }
    this.members.copyWithin(low + 1, low, this.size);
    this.members[low] = row;
    this.size++;
  }

  /** Where a member stands now: by its key, which is the one it was sorted by. */
  #placeOf(row: number): number {
    let low = 0;
    let high = this.size - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const member = this.members[middle] as number;
      if (member === row) return middle;
      if (this.#table.compare(member, row) < 0) low = middle + 1;
      else high = middle - 1;
    }
    return this.members.subarray(0, this.size).indexOf(row);
  }

  #sortAnew(): void {
    const table = this.#table;
    const { members, size } = this;
    let isSorted = true;
    for (let at = 0; at < size; at++) {
      const row = members[at] as number;
      table.refreshKey(row);
      if (at > 0 && table.compare(members[at - 1] as number, row) > 0) isSorted = false;
    }
    if (!isSorted) members.subarray(0, size).sort((left, right) => table.compare(left, right));
    this.#notedCount = 0;
    this.#isStale = false;
    this.#version = table.totals.version;
  }
}
