/** A map whatever its types: what the log needs of it. */
interface AnyMap {
  get(key: unknown): unknown;
  set(key: unknown, value: unknown): unknown;
  delete(key: unknown): boolean;
}

/** One change of a state: a field that got another value, or a key of a map that came. */
type Change =
  | { readonly kind: "field"; readonly object: object; readonly key: string; readonly before: unknown }
  | { readonly kind: "key"; readonly map: AnyMap; readonly key: unknown };

/** Changes of one run of a model, to be put back or joined with those of another run. */
export interface Changes {
  readonly fields: ReadonlyMap<object, ReadonlyMap<string, unknown>>;
  readonly keys: readonly { readonly map: AnyMap; readonly key: unknown; readonly value: unknown }[];
}

const untouched: ReadonlySet<object> = new Set();

/**
 * The undo log of a state. A model writes its state only through it, so a run that does not explain the observation is
 * taken back at the cost of what it changed, and a stretch in which everything is known copies nothing.
 */
export class Journal {
  private changes: Change[] = [];

  /** Sets a field. */
  set<T extends object, K extends keyof T & string>(object: T, key: K, value: T[K]): void {
    const before = object[key];
    if (before === value) return;
    this.changes.push({ kind: "field", object, key, before });
    object[key] = value;
  }

  /** Adds a key that the map does not have. */
  add<K, V>(map: Map<K, V>, key: K, value: V): void {
    this.insert(map, key, value);
  }

  private insert(map: AnyMap, key: unknown, value: unknown): void {
    this.changes.push({ kind: "key", map, key });
    map.set(key, value);
  }

  /** A place in the log, to go back to. */
  mark(): number {
    return this.changes.length;
  }

  /** The objects that changed since a place. */
  touched(mark = 0): ReadonlySet<object> {
    if (this.changes.length <= mark) return untouched;
    const objects = new Set<object>();
    for (let i = mark; i < this.changes.length; i++) {
      const change = this.changes[i];
      if (change !== undefined) objects.add(change.kind === "field" ? change.object : change.map);
    }
    return objects;
  }

  /** Makes what was changed final. */
  commit(): void {
    this.changes.length = 0;
  }

  /** Puts everything back as it was at a place. */
  rollback(mark = 0): void {
    for (let i = this.changes.length - 1; i >= mark; i--) {
      const change = this.changes[i];
      if (change === undefined) continue;
      if (change.kind === "field") Reflect.set(change.object, change.key, change.before);
      else change.map.delete(change.key);
    }
    this.changes.length = mark;
  }

  /** Takes out what changed since a place, with the values that it led to, and puts the state back. */
  extract(mark = 0): Changes {
    const fields = new Map<object, Map<string, unknown>>();
    const keys: { map: AnyMap; key: unknown; value: unknown }[] = [];
    for (let i = mark; i < this.changes.length; i++) {
      const change = this.changes[i];
      if (change === undefined) continue;
      if (change.kind === "key") {
        keys.push({ map: change.map, key: change.key, value: change.map.get(change.key) });
        continue;
      }
      let ofObject = fields.get(change.object);
      if (ofObject === undefined) {
        ofObject = new Map();
        fields.set(change.object, ofObject);
      }
      ofObject.set(change.key, Reflect.get(change.object, change.key));
    }
    this.rollback(mark);
    return { fields, keys };
  }

  /** Applies changes that {@link extract} took out. */
  apply(changes: Changes): void {
    for (const { map, key, value } of changes.keys) this.insert(map, key, value);
    for (const [object, fields] of changes.fields) {
      for (const [key, value] of fields) this.put(object, key, value);
    }
  }

  /** Sets a field by name: for values that were computed from several runs. */
  put(object: object, key: string, value: unknown): void {
    this.changes.push({ kind: "field", object, key, before: Reflect.get(object, key) });
    Reflect.set(object, key, value);
  }
}
