import { add, fits, isEmpty, min, type Resources, subtract, sumOf } from '../../model/resources.ts';
import type { OutstandingOffer, ReservedPart } from '../../state/offerBook.ts';
import type { OfferPool } from '../reservation/planOperation.ts';

/** What a reservation is to who uses it: amounts to draw from, or a volume, used whole or by many. */
export type PartKind = 'plain' | 'volume' | 'sharedVolume';

/** What a launch takes. */
interface Wanted {
  /** Volumes that are not shared included. */
  readonly resources: Resources;
  readonly revocable: Resources;
  readonly volumes?: readonly string[];
}

/** What is left of accepted offers while their operations are carried out one after the other. */
export class AcceptedPool {
  /** What is known of reservations now; looked up once for all parts. */
  readonly #kinds: () => (reservation: string) => PartKind;
  #unreserved: Resources;
  #plain: readonly ReservedPart[] = [];
  #volumes: readonly ReservedPart[] = [];
  #shared: readonly ReservedPart[] = [];
  #revocable: Resources;

  constructor(
    offers: readonly OutstandingOffer[],
    kinds: () => (reservation: string) => PartKind = () => () => 'plain',
  ) {
    this.#kinds = kinds;
    this.#unreserved = sumOf(offers.map((one) => subtract(one.resources, one.reserved)));
    this.#setParts(offers.flatMap((one) => one.reservedBy ?? withoutName(one)));
    this.#revocable = sumOf(offers.map((one) => one.revocable));
  }

  get revocable(): Resources {
    return this.#revocable;
  }

  /** Reserved and unreserved together; shared volumes are in no sum. */
  get resources(): Resources {
    return sumOf([this.#unreserved, amountsIn(this.#plain), amountsIn(this.#volumes)]);
  }

  get forReservations(): OfferPool {
    const parts = [...this.#plain, ...this.#volumes, ...this.#shared];
    return { unreserved: this.#unreserved, parts };
  }

  /** What reservations have made of it. */
  replace(pool: OfferPool): void {
    this.#unreserved = pool.unreserved;
    this.#setParts(pool.parts);
  }

  /** The first volume of a launch that is not in the offers. */
  missingVolume({ volumes = [] }: Wanted): string | undefined {
    const here = new Set([...this.#volumes, ...this.#shared].map((part) => part.reservationId));
    return volumes.find((name) => !here.has(name));
  }

  holds(wanted: Wanted): boolean {
    const plain = subtract(wanted.resources, amountsIn(this.#ownVolumes(wanted)));
    const open = add(this.#unreserved, amountsIn(this.#plain));
    return fits(plain, open) && fits(wanted.revocable, this.#revocable);
  }

  /** Takes a task out of it and says which of its resources reservations and volumes pay for. */
  take(wanted: Wanted): Resources {
    const own = this.#ownVolumes(wanted);
    const plain = subtract(wanted.resources, amountsIn(own));
    const reserved = min(plain, amountsIn(this.#plain));
    let open = reserved;
    this.#plain = this.#plain.flatMap((part) => {
      const amount = min(open, part.resources);
      open = subtract(open, amount);
      const rest = subtract(part.resources, amount);
      return isEmpty(rest) ? [] : [{ ...part, resources: rest }];
    });
    this.#volumes = this.#volumes.filter((part) => !own.includes(part));
    this.#unreserved = subtract(this.#unreserved, subtract(plain, reserved));
    this.#revocable = subtract(this.#revocable, wanted.revocable);
    return add(reserved, amountsIn(own));
  }

  #ownVolumes({ volumes = [] }: Wanted): readonly ReservedPart[] {
    return this.#volumes.filter((part) => volumes.includes(part.reservationId));
  }

  #setParts(parts: readonly ReservedPart[]): void {
    const kindOf = parts.length === 0 ? () => 'plain' : this.#kinds();
    const of = (kind: PartKind) => parts.filter((part) => kindOf(part.reservationId) === kind);
    this.#plain = of('plain');
    this.#volumes = of('volume');
    this.#shared = of('sharedVolume');
  }
}

const amountsIn = (parts: readonly ReservedPart[]): Resources =>
  sumOf(parts.map((part) => part.resources));

function withoutName({ role, reserved }: OutstandingOffer): readonly ReservedPart[] {
  return isEmpty(reserved) ? [] : [{ role, resources: reserved, reservationId: '' }];
}
