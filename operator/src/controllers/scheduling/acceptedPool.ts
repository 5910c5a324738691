import { add, fits, isEmpty, min, type Resources, subtract, sumOf } from '../../model/resources.ts';
import type { OutstandingOffer, ReservedPart } from '../../state/offerBook.ts';
import type { OfferPool } from '../reservation/planOperation.ts';

/** What is left of accepted offers while their operations are carried out one after the other. */
export class AcceptedPool {
  #unreserved: Resources;
  #parts: readonly ReservedPart[];
  #revocable: Resources;

  constructor(offers: readonly OutstandingOffer[]) {
    this.#unreserved = sumOf(offers.map((one) => subtract(one.resources, one.reserved)));
    this.#parts = offers.flatMap((one) => one.reservedBy ?? withoutName(one));
    this.#revocable = sumOf(offers.map((one) => one.revocable));
  }

  get revocable(): Resources {
    return this.#revocable;
  }

  get reserved(): Resources {
    return sumOf(this.#parts.map((part) => part.resources));
  }

  /** Reserved and unreserved together. */
  get resources(): Resources {
    return add(this.#unreserved, this.reserved);
  }

  get forReservations(): OfferPool {
    return { unreserved: this.#unreserved, parts: this.#parts };
  }

  /** What reservations have made of it. */
  replace(pool: OfferPool): void {
    this.#unreserved = pool.unreserved;
    this.#parts = pool.parts;
  }

  holds(resources: Resources, revocable: Resources): boolean {
    return fits(resources, this.resources) && fits(revocable, this.#revocable);
  }

  /** Takes a task out of it; `reserved` of its resources are paid for by reservations. */
  take(resources: Resources, reserved: Resources, revocable: Resources): void {
    let open = reserved;
    this.#parts = this.#parts.flatMap((part) => {
      const amount = min(open, part.resources);
      open = subtract(open, amount);
      const rest = subtract(part.resources, amount);
      return isEmpty(rest) ? [] : [{ ...part, resources: rest }];
    });
    this.#unreserved = subtract(this.#unreserved, subtract(resources, reserved));
    this.#revocable = subtract(this.#revocable, revocable);
  }
}

function withoutName({ role, reserved }: OutstandingOffer): readonly ReservedPart[] {
  return isEmpty(reserved) ? [] : [{ role, resources: reserved, reservationId: '' }];
}
