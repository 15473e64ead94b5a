/** A map whatever its types: what the log needs of it. */
interface AnyMap {
  get(key: unknown): unknown;
  set(key: unknown, value: unknown): unknown;
  delete(key: unknown): boolean;
}

/** Changes of one run of a model, to be put back or joined with those of another run. */
export interface Changes {
  readonly fields: ReadonlyMap<object, ReadonlyMap<string, unknown>>;
  readonly keys: readonly { readonly map: AnyMap; readonly key: unknown; readonly value: unknown }[];
}

/** What a run changed, in order: the object of each change, and the field, or the key of a map. */
export class Touched {
  readonly objects: readonly object[];
  readonly keys: readonly unknown[];

  constructor(objects: readonly object[], keys: readonly unknown[]) {
    this.objects = objects;
    this.keys = keys;
  }

  /** The objects, each once. */
  once(): Iterable<object> {
    const { objects } = this;
    if (objects.length > FEW) return new Set(objects);
    const once: object[] = [];
    for (const object of objects) if (!once.includes(object)) once.push(object);
    return once;
  }
}

/** Up to so many objects a search for the same one takes less time than a set. */
const FEW = 8;

const untouched = new Touched([], []);

/** Entries for which there is always room: few operations change more. */
const ROOM = 1024;

/**
 * The undo log of a state. A model writes its state only through it, so a run that does not explain the observation is
 * taken back at the cost of what it changed, and a stretch in which everything is known copies nothing.
 */
export class Journal {
  /** The log, in columns, of which the first `count` entries count: what a field held before, or a key that came. */
  private count = 0;
  private readonly objects: object[] = [];
  private readonly keys: unknown[] = [];
  private readonly before: unknown[] = [];
  /** The map of an entry that is a key; undefined where the entry is a field. */
  private readonly maps: (AnyMap | undefined)[] = [];

  /** Sets a field. */
  set<T extends object, K extends keyof T & string>(object: T, key: K, value: T[K]): void {
    const before = object[key];
    if (before === value) return;
    this.note(object, key, before, undefined);
    object[key] = value;
  }

  private note(object: object, key: unknown, before: unknown, map: AnyMap | undefined): void {
    const at = this.count++;
    this.objects[at] = object;
    this.keys[at] = key;
    this.before[at] = before;
    this.maps[at] = map;
  }

  /** Adds a key that the map does not have. */
  add<K, V>(map: Map<K, V>, key: K, value: V): void {
    this.insert(map, key, value);
  }

  private insert(map: AnyMap, key: unknown, value: unknown): void {
    this.note(map, key, undefined, map);
    map.set(key, value);
  }

  /** A place in the log, to go back to. */
  mark(): number {
    return this.count;
  }

  /** What changed since a place. */
  touched(mark = 0): Touched {
    const { count, objects, keys } = this;
    return count <= mark ? untouched : new Touched(objects.slice(mark, count), keys.slice(mark, count));
  }

  /** Makes what was changed final. */
  commit(): void {
    this.count = 0;
    // What was changed by many at once must not be held on to for ever.
    if (this.objects.length > ROOM) this.clear();
  }

  private clear(): void {
    for (const column of [this.objects, this.keys, this.before, this.maps]) column.length = 0;
  }

  /** Puts everything back as it was at a place. */
  rollback(mark = 0): void {
    for (let i = this.count - 1; i >= mark; i--) {
      const map = this.maps[i];
      const key = this.keys[i];
      const object = this.objects[i];
      if (map !== undefined) map.delete(key);
      else if (object !== undefined && typeof key === "string") Reflect.set(object, key, this.before[i]);
    }
    this.count = mark;
  }

  /** Takes out what changed since a place, with the values that it led to, and puts the state back. */
  extract(mark = 0): Changes {
    const fields = new Map<object, Map<string, unknown>>();
    const keys: { map: AnyMap; key: unknown; value: unknown }[] = [];
    for (let i = mark; i < this.count; i++) {
      const map = this.maps[i];
      const key = this.keys[i];
      const object = this.objects[i];
      if (map !== undefined) keys.push({ map, key, value: map.get(key) });
      if (map !== undefined || object === undefined || typeof key !== "string") continue;
      let ofObject = fields.get(object);
      if (ofObject === undefined) {
        ofObject = new Map();
        fields.set(object, ofObject);
      }
      ofObject.set(key, Reflect.get(object, key));
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
    this.note(object, key, Reflect.get(object, key), undefined);
    Reflect.set(object, key, value);
  }
}
