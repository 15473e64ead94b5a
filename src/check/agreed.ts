/**
 * The part of several states (in the JSON form of design section 4) that is the same in all of them: where they part, the
 * value is "unknown". Members of a list that not all of them have are left out: whether they exist is not known.
 */
export function agreed(states: readonly unknown[]): unknown {
  const [first, ...others] = states;
  return others.reduce((common, other) => agreedOfTwo(common, other), first);
}

function agreedOfTwo(a: unknown, b: unknown): unknown {
  if (Array.isArray(a) && Array.isArray(b)) return agreedLists(a, b);
  if (isRecord(a) && isRecord(b)) return agreedRecords(a, b);
  return a === b ? a : "unknown";
}

function agreedRecords(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): unknown {
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return Object.fromEntries([...keys].map((key) => [key, agreedOfTwo(ownValue(a, key), ownValue(b, key))]));
}

function agreedLists(a: readonly unknown[], b: readonly unknown[]): readonly unknown[] {
  const common: unknown[] = [];
  const others = new Map(b.map((member, index) => [memberName(member) ?? String(index), member]));
  for (const [index, member] of a.entries()) {
    const name = memberName(member) ?? String(index);
    if (others.has(name)) common.push(agreedOfTwo(member, others.get(name)));
  }
  return common;
}

/** Keys by which the members of a list are told apart (schemas/state.proto): the first that a member has. */
const memberKeys = ["uuid", "apqn", "kvm", "id", "name", "index"] as const;

/** What names a member of a list; undefined where only its place does. */
export function memberName(member: unknown): string | undefined {
  if (!isRecord(member)) return undefined;
  for (const key of memberKeys) {
    const name = ownValue(member, key);
    if (typeof name === "string" || typeof name === "number") return String(name);
  }
  return undefined;
}

export function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** A property of the object itself; undefined where it has none of that name. */
export function ownValue(object: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(object, key) ? object[key] : undefined;
}
