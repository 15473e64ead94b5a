import { isRecord, ownValue } from "./agreed.js";

/**
 * What of a state (JSON form) differs from the one before: objects by key, everything else, lists too, whole. What is the
 * same is left out.
 */
export function changed(before: unknown, after: unknown): unknown {
  if (!isRecord(before) || !isRecord(after)) return after;
  const difference: [string, unknown][] = [];
  for (const [key, value] of Object.entries(after)) {
    const old = ownValue(before, key);
    if (!same(old, value)) difference.push([key, changed(old, value)]);
  }
  return Object.fromEntries(difference);
}

function same(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (Array.isArray(a) && Array.isArray(b)) {
    return a.length === b.length && a.every((member, index) => same(member, b[index]));
  }
  if (!isRecord(a) || !isRecord(b)) return false;
  const keys = Object.keys(a);
  return keys.length === Object.keys(b).length && keys.every((key) => Object.hasOwn(b, key) && same(a[key], b[key]));
}
