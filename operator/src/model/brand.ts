/** A nominal type over `Base`: two ids of the same shape cannot be mixed up. Costs nothing at run time. */
export type Brand<Base, Name extends string> = Base & { readonly __brand: Name };
