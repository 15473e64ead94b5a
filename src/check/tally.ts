import type { OperationCount } from "./report.js";

/** Names and reasons come from the input (an ioctl's number, a signal): so many are told apart. */
const MAX_KINDS = 1000;
const MAX_REASONS = 50;

interface Kind {
  total: number;
  checked: number;
  readonly unchecked: Map<string, number>;
}

/** Counts operations by name, and the reasons why some could not be checked. */
export class Tally {
  operations = 0;
  checked = 0;
  private readonly kinds = new Map<string, Kind>();

  count(name: string, reasons: readonly string[], checked: boolean): void {
    this.operations++;
    const kind = this.kinds.get(name) ?? this.kindOf(name);
    kind.total++;
    if (checked) {
      kind.checked++;
      this.checked++;
      return;
    }
    const given = reasons[0] ?? "nothing of it was recorded that could be held against the model";
    const reason = kind.unchecked.has(given) || kind.unchecked.size < MAX_REASONS ? given : "other reasons";
    kind.unchecked.set(reason, (kind.unchecked.get(reason) ?? 0) + 1);
  }

  /** A kind that was not met before, or that stands for all that are too many to be told apart. */
  private kindOf(name: string): Kind {
    const kept = this.kinds.size < MAX_KINDS ? name : "other operations";
    const kind = this.kinds.get(kept) ?? { total: 0, checked: 0, unchecked: new Map<string, number>() };
    this.kinds.set(kept, kind);
    return kind;
  }

  list(): readonly OperationCount[] {
    return [...this.kinds]
      .map(([name, kind]) => ({
        name,
        total: kind.total,
        checked: kind.checked,
        unchecked: Object.fromEntries(kind.unchecked),
      }))
      .sort((a, b) => a.name.localeCompare(b.name, "en"));
  }
}
