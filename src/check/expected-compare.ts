import { bitsOf, isEmpty, minus, parseMask } from "../event/mask.js";
import { isRecord, memberName, ownValue } from "./agreed.js";

/** A value of a state that differs from the expected one. */
export interface Difference {
  /** `ap.queues[04.0005].isc`. */
  readonly path: string;
  readonly expected: string;
  readonly observed: string;
}

/** What came of comparing a state with an expected one. */
export interface StateComparison {
  readonly differences: readonly Difference[];
  /** Paths of what is expected and not known: neither a difference nor none. */
  readonly undecided: readonly string[];
}

/**
 * Objects whose keys are data, not fields: a key that an expected one lacks has no entry (subclasses that are registered,
 * pages that are pinned). Of the others an absent key is not compared.
 */
const maps: ReadonlySet<string> = new Set(["gisc", "pinned"]);

/** Characters of a value in a message at most. */
const MAX_VALUE = 200;

/**
 * Holds the states that explain a recording against an expected one (design section 3). Lists are compared whole, member
 * by member of the same name; of objects the keys that the expected one has. Where several states are possible, a value
 * differs if it differs in all of them.
 */
export function compareStates(expected: unknown, states: readonly unknown[], path: string): StateComparison {
  const walks = states.map((state) => {
    const walk = new Walk();
    walk.compare(expected, state, path);
    return walk;
  });
  const [first, ...others] = walks;
  if (first === undefined) return { differences: [], undecided: [path] };
  const undecided = new Set(walks.flatMap((walk) => walk.undecided));
  const differences: Difference[] = [];
  for (const difference of walks.flatMap((walk) => [...walk.differences.values()])) {
    const same = walks.map((walk) => walk.differences.get(difference.path));
    if (same.includes(undefined)) {
      undecided.add(difference.path);
    } else if (first.differences.get(difference.path) === difference) {
      const observed = new Set(same.flatMap((one) => (one === undefined ? [] : [one.observed])));
      differences.push(others.length === 0 ? difference : { ...difference, observed: [...observed].join(" or ") });
    }
  }
  return { differences, undecided: [...undecided] };
}

class Walk {
  readonly differences = new Map<string, Difference>();
  readonly undecided: string[] = [];

  compare(expected: unknown, observed: unknown, path: string): void {
    if (expected === "unknown") return;
    if (observed === undefined || observed === "unknown") {
      this.undecided.push(path);
    } else if (Array.isArray(expected) && Array.isArray(observed)) {
      this.compareLists(expected, observed, path);
    } else if (isRecord(expected) && isRecord(observed)) {
      for (const [key, value] of Object.entries(expected)) {
        if (maps.has(key)) this.compareMaps(value, ownValue(observed, key), `${path}.${key}`);
        else this.compare(value, ownValue(observed, key), `${path}.${key}`);
      }
    } else if (!sameScalar(expected, observed)) {
      this.differ(path, valueText(expected), observedText(expected, observed));
    }
  }

  private compareLists(expected: readonly unknown[], observed: readonly unknown[], path: string): void {
    const left = new Map(observed.map((member, place) => [memberName(member) ?? String(place), member]));
    for (const [place, member] of expected.entries()) {
      const name = memberName(member) ?? String(place);
      if (left.has(name)) this.compare(member, left.get(name), `${path}[${name}]`);
      else this.differ(`${path}[${name}]`, "it is there", "it is not");
      left.delete(name);
    }
    for (const name of left.keys()) this.differ(`${path}[${name}]`, "it is not there", "it is");
  }

  private compareMaps(expected: unknown, observed: unknown, path: string): void {
    if (!isRecord(expected) || !isRecord(observed)) {
      this.compare(expected, observed, path);
      return;
    }
    for (const key of new Set([...Object.keys(expected), ...Object.keys(observed)])) {
      const [wanted, seen] = [ownValue(expected, key), ownValue(observed, key)];
      if (wanted === undefined || seen === undefined) this.differ(`${path}.${key}`, valueText(wanted), valueText(seen));
      else this.compare(wanted, seen, `${path}.${key}`);
    }
  }

  private differ(path: string, expected: string, observed: string): void {
    this.differences.set(path, { path, expected, observed });
  }
}

/** Hex digits may be of either case. */
function sameScalar(a: unknown, b: unknown): boolean {
  if (typeof a === "string" && typeof b === "string" && /^0x/i.test(a)) return a.toLowerCase() === b.toLowerCase();
  return a === b;
}

function valueText(value: unknown): string {
  if (value === undefined) return "none";
  const text = typeof value === "string" ? value : Array.isArray(value) ? "a list" : isRecord(value) ? "an object" : "";
  const shown = text === "" ? JSON.stringify(value) : text;
  return shown.length > MAX_VALUE ? `${shown.slice(0, MAX_VALUE)}...` : shown;
}

/** An observed value; of a mask also the numbers that it has too many or too few. */
function observedText(expected: unknown, observed: unknown): string {
  const text = valueText(observed);
  const [wanted, seen] = [maskOfText(expected), maskOfText(observed)];
  if (wanted === undefined || seen === undefined) return text;
  const parts: string[] = [];
  const more = minus(seen, wanted);
  const less = minus(wanted, seen);
  if (!isEmpty(more)) parts.push(`too many: ${numbersOf(more)}`);
  if (!isEmpty(less)) parts.push(`missing: ${numbersOf(less)}`);
  return `${text} (${parts.join("; ")})`;
}

function maskOfText(value: unknown): ReturnType<typeof parseMask> {
  return typeof value === "string" && /^0x[0-9a-f]{64}$/i.test(value) ? parseMask(value) : undefined;
}

function numbersOf(mask: Parameters<typeof bitsOf>[0]): string {
  return bitsOf(mask)
    .map((bit) => bit.toString(16).padStart(2, "0"))
    .join(", ");
}
