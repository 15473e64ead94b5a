/**
 * What is known of a state field: a value, a small set of possible values, or nothing. What nobody recorded widens a
 * field, an observation narrows it (design, "Nondeterminism and ignorance are part of the state").
 */
export type Known<T> = T | OneOf<T> | Unknown;

/** Nothing is known. */
export class Unknown {
  readonly isUnknown = true;
}

/** One of a few values, at least two. */
export class OneOf<T> {
  readonly values: readonly T[];

  constructor(values: readonly T[]) {
    this.values = values;
  }
}

export const unknown = new Unknown();

/** Yes, no, or not known. */
export type Tri = boolean | "unknown";

export function isKnown<T>(known: Known<T>): known is T {
  return !(known instanceof Unknown) && !(known instanceof OneOf);
}

/** The value, or undefined where it is not known for certain. */
export function knownValue<T>(known: Known<T>): T | undefined {
  return isKnown(known) ? known : undefined;
}

/** Whether a field has a value. */
export function is<T>(known: Known<T>, value: T): Tri {
  if (known instanceof Unknown) return "unknown";
  if (known instanceof OneOf) return known.values.includes(value) ? "unknown" : false;
  return known === value;
}

/** The field with one of the given values: a plain value where there is only one. */
export function oneOf<T>(values: readonly T[]): Known<T> {
  const [first, second] = values;
  if (first === undefined) return unknown;
  return second === undefined ? first : new OneOf(values);
}

const SET_LIMIT = 8;

/** Everything that either field allows. */
export function join<T>(a: Known<T>, b: Known<T>): Known<T> {
  if (a === b) return a;
  if (a instanceof Unknown || b instanceof Unknown) return unknown;
  const values = new Set<T>([...allowed(a), ...allowed(b)]);
  return values.size > SET_LIMIT ? unknown : oneOf([...values]);
}

function allowed<T>(known: T | OneOf<T>): readonly T[] {
  return known instanceof OneOf ? known.values : [known];
}

export function and(a: Tri, b: Tri): Tri {
  if (a === false || b === false) return false;
  return a === true && b === true ? true : "unknown";
}

export function or(a: Tri, b: Tri): Tri {
  if (a === true || b === true) return true;
  return a === false && b === false ? false : "unknown";
}

export function not(a: Tri): Tri {
  return a === "unknown" ? "unknown" : !a;
}
